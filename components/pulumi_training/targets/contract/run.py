"""One attempt of a run as a target sees it, and what was prepared for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...spec.document import fields_of
from ...spec.secrecy import reveal, variables
from .handle import ComputeReference

if TYPE_CHECKING:
    from ...spec.job import JobSpec


@dataclass(frozen=True)
class RunSpec:
    """One attempt of a run, as a target sees it.

    `document` is the job as recorded (wire names, defaults filled in, no secret); `base` is the folder that
    relative paths are resolved against; `folder` is the attempt's folder on this machine; `secrets` must be
    written nowhere: environment variables, and texts hidden in the document (`spec.secrecy`); `tracking` are variables
    that only submission can tell: which MLflow run the script logs to. `store` is the identity of the attempt's store,
    empty for attempts that began before stores had one; `backend` tells which of Pulumi's backends its stack is in;
    `driven_on` is as in `Handle`.
    """

    run_id: str
    attempt: int
    document: Mapping[str, Any]
    base: Path
    folder: Path
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    resume_from: str | None = None
    owner: str = ""
    tracking: Mapping[str, str] = field(default_factory=dict)
    store: str = ""
    backend: str = ""
    driven_on: str = ""

    @cached_property
    def job(self) -> JobSpec:
        """The job as a model; building it costs a quarter second of imports, so it is built when asked for."""
        from ...spec.newer_job import recorded_job

        return recorded_job(reveal(dict(self.document), self.secrets))

    @property
    def variables(self) -> dict[str, str]:
        """The secrets that the script finds in its environment."""
        return variables(self.secrets)

    @cached_property
    def compute(self) -> Mapping[str, Any]:
        """The cluster, with the secrets of its settings where they are known."""
        compute: Mapping[str, Any] = reveal(self.document["compute"], self.secrets)
        return compute

    @property
    def compute_reference(self) -> ComputeReference:
        """The same cluster as it is recorded, for the calls that get no run."""
        return ComputeReference(self.document["compute"], self.run_id, self.store, self.secrets)

    @property
    def code(self) -> Path:
        """The run's own copy of the source tree: the working directory of every rank."""
        return self.folder / "code"


@dataclass(frozen=True)
class Prepared:
    """What preparation found out: all that a plan needs beside the job.

    `settings` are the target's own (interpreter, image digest, MPI flavour); `data` is the local path of each
    input and output; `packages` every installed package with its version.
    """

    settings: Mapping[str, str]
    data: Mapping[str, str] = field(default_factory=dict)
    digest: str = ""
    packages: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """A JSON object; `from_json` reads it back."""
        return {
            "settings": dict(self.settings),
            "data": dict(self.data),
            "digest": self.digest,
            "packages": list(self.packages),
            "warnings": list(self.warnings),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, object]) -> Prepared:
        """Reads what `to_json` wrote. Raises `DamagedDocument`."""
        return cls(**fields_of(cls, document, "what was prepared"))
