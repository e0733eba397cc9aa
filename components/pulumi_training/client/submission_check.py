"""A job checked before it is submitted: everything wrong with it at once, its run key, and the run it would be."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi

from ..driver.identify import identify
from ..driver.look import fingerprints
from ..driver.request import recorded
from ..identity.key import canonical_json, run_id
from ..identity.rules import known
from ..record.record import Record
from ..record.store import Store
from ..resources.training_job import wire_inputs
from ..spec.errors import Problem, SpecError
from ..spec.fields import Identity
from ..spec.job import JobSpec
from ..spec.names import distinct
from ..spec.partition import names_of
from ..targets.rules import read_job

_TYPE = "training:index:TrainingJob"


@dataclass(frozen=True)
class Checked:
    """A job without problems. `inputs` are those of the resource by wire name, secrets in the clear.

    `project`, `stack` and `name` make the resource's URN: one project for an experiment, one stack for a run.
    """

    inputs: Mapping[str, Any] = field(repr=False)
    job: JobSpec = field(repr=False)
    name: str
    project: str
    stack: str
    record: Record

    @property
    def urn(self) -> str:
        """The URN of the job's resource."""
        return _urn(self.stack, self.project, self.name)

    def differs_in_place(self, spec: Mapping[str, object]) -> list[str]:
        """The properties that may change on a run that is there, and did since `spec` was recorded."""
        new = recorded(self.job)
        names = names_of(Identity.INPLACE)
        return [name for name in sorted(names) if name in spec and spec[name] != new[name]]


def checked(parameters: Mapping[str, object], name: str, experiment: str, base: Path) -> Checked:
    """Checks a job as the provider's Check does, with the same answers; relative paths are those of `base`.

    Raises:
        SpecError: with every problem found.
    """
    inputs = _plain({**wire_inputs(parameters), "name": name})
    job, problems = read_job(inputs)
    refused = {problem.path.partition(".")[0].partition("[")[0] for problem in problems}
    found = fingerprints(job, base, problems) if "inputs" not in refused else {}
    completed = {
        n: item.model_copy(update={"fingerprint": found.get(n, item.fingerprint)})
        for n, item in job.inputs.items()
    }
    whole = job.model_copy(update={"inputs": completed})

    def named(key: str) -> Checked:
        assert job.compute is not None
        store = Store.open(job.compute.store, base=base)
        apart = hashlib.sha256(canonical_json([key, job.compute.workspace, store.url])).hexdigest()[:10]
        stack, project = f"{name}-{apart}", distinct(experiment)
        identity = run_id(name, key, _urn(stack, project, name), job.compute.workspace)
        return Checked(inputs, job, name, project, stack, Record(store, identity))

    def is_kept(key: str, rules: int) -> bool:
        record = named(key).record
        return record.exists() and known(record.run_document().source_rules) == rules

    identity = identify(whole, base, refused, problems, before=None, is_kept=is_kept)
    if identity is None or job.compute is None:
        raise SpecError(problems)
    return named(identity.run_key)


def _urn(stack: str, project: str, name: str) -> str:
    return f"urn:pulumi:{stack}::{project}::{_TYPE}::{name}"


def _plain(inputs: Mapping[str, object]) -> dict[str, Any]:
    """The inputs as JSON values.

    Raises:
        SpecError: one is an Output, or nothing that JSON can say.
    """
    problems = []
    plain: dict[str, Any] = {}
    for name, value in inputs.items():
        if value is None:
            continue
        try:
            plain[name] = json.loads(json.dumps(value, default=_refused))
        except TypeError as error:
            problems.append(Problem(name, str(error)))
    if problems:
        raise SpecError(problems)
    return plain


def _refused(value: object) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, pulumi.Output):
        raise TypeError("is an Output, which only a Pulumi program can resolve; give the value itself")
    if hasattr(value, "item"):
        return value.item()  # a number of an array library
    raise TypeError(f"{value!r} is a {type(value).__name__}, which is no value of a job")
