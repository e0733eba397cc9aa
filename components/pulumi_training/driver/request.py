"""What a program asked for: a job, its owner, its key, and the secrets that no record may hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..identity.key import run_id
from ..record.record import Record
from ..record.store import Store

if TYPE_CHECKING:
    from ..spec.job import JobSpec

HIDDEN = "[secret]"
"""Stands in a record for a value that is a secret."""


@dataclass(frozen=True)
class Request:
    """A job with everything that makes a run of it.

    `base` is the folder that relative paths are resolved against; `seen_digest` is the source tree as Check saw
    it, whatever digest counts for the key; `known_id` is the id of a resource that exists already.
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
        return recorded(self.job)


def recorded(job: JobSpec) -> dict[str, Any]:
    """A job as a JSON object with wire names, every default filled in and every secret hidden."""
    document = job.model_dump(mode="json", by_alias=True)
    document["secretEnvironmentVariables"] = dict.fromkeys(job.secret_environment_variables, HIDDEN)
    environment = document.get("environment") or {}
    if (environment.get("imageRegistry") or {}).get("password"):
        environment["imageRegistry"]["password"] = HIDDEN
    return document
