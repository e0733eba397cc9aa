"""What a program asked for: a job, its owner, its key, and the secrets that no record may hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..identity.key import run_id
from ..identity.rules import FIRST
from ..record.record import Record
from ..record.store import Store
from ..spec.recorded import RecordedJob
from ..spec.secrecy import hide, hide_in_compute, names_in, variables

if TYPE_CHECKING:
    from ..record.backend import Backend
    from ..spec.job import JobSpec

MAY_HOLD_SECRETS = (
    "environment", "environmentRef", "inputs", "outputs", "resumeFrom", "triggers", "tags", "displayName", "description",
)  # fmt: skip
"""Properties whose secret parts (credentials in addresses) are kept out of the record and given back to the driver.

`compute` is another: most of what is in it is no secret though all of it be marked so (`spec.secrecy`).
"""
HIDDEN = "[secret]"
"""Stands in a record for a value that is a secret."""


@dataclass(frozen=True)
class Request:
    """A job with everything that makes a run of it.

    `base` is the folder that relative paths are resolved against; `seen_digest` is the source tree as Check saw
    it, whatever digest counts for the key; `known_id` is the id of a resource that exists already; `source_rules`
    is the version of the rules (`identity.rules`) that the tree and the key were made under, `environment_files`
    what the key counts of files that are not in the tree (`environment.beside.contents`); `backend` is the one whose
    stack asks, None where nobody can tell.
    """

    name: str
    job: JobSpec
    urn: str
    stack: str
    project: str
    run_key: str
    source_digest: str
    base: Path
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    seen_digest: str | None = None
    known_id: str | None = None
    source_rules: int = FIRST
    environment_files: Mapping[str, str] = field(default_factory=dict)
    backend: Backend | None = None

    @cached_property
    def run_id(self) -> str:
        """The run's id: the resource's id too."""
        if self.known_id is not None:
            return self.known_id
        assert self.job.compute is not None
        return run_id(self.name, self.run_key, self.urn, self.job.compute.workspace)

    @property
    def owner(self) -> dict[str, str]:
        """Who the run belongs to."""
        return {"urn": self.urn, "stack": self.stack, "project": self.project}

    def record(self) -> Record:
        """The run's record in the workspace's store."""
        assert self.job.compute is not None
        store = Store.open(self.job.compute.store, base=self.base)
        return Record(store, self.run_id, secrets=tuple(self.secrets.values()))

    def document(self) -> dict[str, Any]:
        """The job as it is recorded: wire names, defaults filled in, secrets hidden."""
        return recorded(self.job, self.secrets)

    @property
    def recorded_job(self) -> RecordedJob:
        """`document`, read by name."""
        return RecordedJob.of(self.document())


def recorded(job: JobSpec, secrets: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A job as a JSON object with wire names, every default filled in and every secret hidden.

    Texts that `secrets` names (`spec.secrecy`) are hidden where a job may hold them: credentials in addresses.
    """
    document = job.model_dump(mode="json", by_alias=True)
    document["secretEnvironmentVariables"] = dict.fromkeys(job.secret_environment_variables, HIDDEN)
    hidden = {name: text for name, text in (secrets or {}).items() if name not in variables(secrets or {})}
    for field_ in MAY_HOLD_SECRETS:
        document[field_] = hide(document[field_], hidden)
    if document["compute"]:
        document["compute"] = _without_credentials(hide_in_compute(document["compute"], hidden))
    registry = (document["environment"] or {}).get("imageRegistry") or {}
    if registry.get("password") and not names_in(registry["password"]):
        registry["password"] = HIDDEN  # a secret by what it is, whether the program said so or not
    secret_mounts = (document["environment"] or {}).get("buildSecrets") or {}
    for name, value in secret_mounts.items():
        if not names_in(value):
            secret_mounts[name] = HIDDEN
    return document


def _without_credentials(compute: dict[str, Any]) -> dict[str, Any]:
    """A cluster whose settings are recorded: what its target calls a credential is hidden, whoever forgot to say so."""
    own = compute.get(compute["target"])
    if isinstance(own, dict):
        from ..targets.compute_settings import credentials

        for name in credentials(compute["target"]).intersection(own):
            if own[name] is not None and not names_in(own[name]):
                own[name] = HIDDEN
    return compute
