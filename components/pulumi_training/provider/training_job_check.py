"""Check of a training job: everything wrong with it at once, and what is derived from files added to its inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..driver.identify import IsKept, identify, in_record
from ..driver.look import fingerprints
from ..driver.request import MAY_HOLD_SECRETS
from ..identity.rules import known, said
from ..spec.compute import unknown_in
from ..spec.errors import Problem
from ..spec.job import JobSpec
from ..spec.secrecy import named
from ..spec.urls import credentials_of
from ..targets.rules import of_target, read_job
from .handler import CheckAnswer, CheckCall
from .secrets import has_secret_price, texts_in_compute, with_secrets_marked
from .wire import UNKNOWN, contains_secret, contains_unknown, keep_secrets, unwrap_secrets

DERIVED = frozenset({"runKey", "sourceRules", "environmentFiles"})
"""What Check adds to the inputs and no program gives."""
_NEVER_SECRET = ("arguments", "command", "entryScript", "environmentVariables")


@dataclass(frozen=True)
class Declared:
    """A job as its inputs declare it: the model, its problems, and the top-level names that are unknown."""

    job: JobSpec
    problems: list[Problem]
    unknown: frozenset[str]
    secrets: Mapping[str, str]


def declared(inputs: Mapping[str, object], resource_name: str) -> Declared:
    """Reads a job from decoded wire values; what Check added to them is left aside."""
    given = {name: value for name, value in inputs.items() if name not in DERIVED}
    unknown = frozenset(name for name, value in given.items() if contains_unknown(value))
    hidden = {name for name, value in given.items() if contains_secret(value)}
    plain, _ = unwrap_secrets({name: value for name, value in given.items() if name not in unknown})
    plain.setdefault("name", resource_name)
    job, problems = read_job(plain, unknown, hidden)
    if "name" not in given:
        problems = [_about_resource_name(p) if p.path == "name" else p for p in problems]
    problems = [problem for problem in problems if _top(problem) not in hidden.intersection(_NEVER_SECRET)]
    for name in _NEVER_SECRET:
        if name in hidden:
            problems.append(
                Problem(
                    name,
                    "holds a secret, which the list of processes would show; give the secret in secretEnvironmentVariables",
                )
            )
    names = named(
        unwrap_secrets([given[name] for name in MAY_HOLD_SECRETS if name in given and name not in unknown])[1]
    )
    if "compute" not in unknown:
        opening = [part for text in names.values() for part in credentials_of(text)]
        names = named([*opening, *texts_in_compute(given.get("compute"))], after=names)
        if job.compute is not None and has_secret_price(given["compute"]):
            compute = job.compute.model_copy(update={"price_per_node_hour": None})
            job = job.model_copy(update={"compute": compute})
    return Declared(job, problems, unknown, {**job.secret_environment_variables, **names})


def check(call: CheckCall, base: Path) -> tuple[CheckAnswer, str | None]:
    """The inputs with source digest, run key and data fingerprints, and every problem found.

    Beside it the digest of the tree as it was seen, whatever digest the inputs name; None where none was read.
    Relative paths stay as they are given, so that another checkout does not differ. Anything unknown makes
    source digest and run key unknown.
    """
    found = declared(call.inputs, call.name)
    job, problems, warnings = found.job, list(found.problems), _not_known(found)
    if problems and call.old_inputs:
        from .once_taken import taken_before

        of_state = of_target(declared(call.old_inputs, call.name).job)
        problems, more = taken_before(problems, of_state, call.inputs, call.old_inputs)
        warnings += more
    refused = {_top(problem) for problem in problems} | found.unknown
    inputs = {name: value for name, value in with_secrets_marked(call.inputs).items() if name not in DERIVED}
    if "inputs" not in refused and job.inputs:
        inputs["inputs"] = _fingerprinted(call.inputs["inputs"], job, base, problems)
        job = declared(inputs, call.name).job if not problems else job
    before, is_kept = _kept_before(call, job, base)
    identity = identify(job, base, refused, problems, before=before, is_kept=is_kept)
    if identity is None:
        inputs.setdefault("sourceDigest", UNKNOWN)
        inputs["runKey"] = UNKNOWN
        return CheckAnswer(inputs, tuple(problems), tuple(warnings)), None
    inputs["sourceDigest"] = identity.source_digest
    inputs |= said(identity.rules)
    if identity.environment_files:
        inputs["environmentFiles"] = dict(identity.environment_files)
    inputs["runKey"] = identity.run_key
    return CheckAnswer(inputs, (), tuple(warnings)), identity.tree.digest


def _not_known(found: Declared) -> list[str]:
    """Words about what a newer version wrote into the references that the job was given."""
    job, paths = found.job, list[str]()
    if job.compute is not None and job.compute.model_extra and "compute" not in found.unknown:
        from ..targets.compute_settings import unknown

        compute = {**job.compute.settings_given, "target": job.compute.target}
        paths += unknown(compute, job.compute.model_extra)
    if job.environment_ref is not None:
        paths += unknown_in(job.environment_ref, "environmentRef")
    if not paths:
        return []
    from ..spec.newer_job import NOT_KNOWN

    return [f"{path}: {NOT_KNOWN}" for path in paths]


def _kept_before(call: CheckCall, job: JobSpec, base: Path) -> tuple[int | None, IsKept]:
    """The rules that the state was made under, and what tells whether a run of another version is kept."""
    olds = call.old_inputs
    if not olds:
        return None, in_record(job, base, call.urn)
    rules = known(olds.get("sourceRules"))
    return rules, lambda key, version: version == rules and key == olds.get("runKey")


def _fingerprinted(given: object, job: JobSpec, base: Path, problems: list[Problem]) -> dict[str, Any]:
    """The `inputs` property with a fingerprint for each input that was given none."""
    plain, _ = unwrap_secrets(given)
    completed = {name: dict(value) for name, value in plain.items()}
    for name, found in fingerprints(job, base, problems).items():
        completed[name]["fingerprint"] = found
    return dict(keep_secrets(completed, given))


def _top(problem: Problem) -> str:
    return problem.path.partition(".")[0].partition("[")[0]


def _about_resource_name(problem: Problem) -> Problem:
    return Problem("name", f"{problem.message}; it is the resource's name where `name` is not given")
