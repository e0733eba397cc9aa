"""The contract that every place keeps: prepare, plan, submit, watch, amend, cancel, collect, remove, find.

What a target need not offer is a capability mix-in, asked for by `issubclass`:

| capability | local | docker | kubernetes | azureml |
|---|---|---|---|---|
| Queues: we admit runs to slots ourselves | yes | yes | the cluster's | the service's |
| BuildsImages | no | yes | yes | yes |
| needs a supervisor of ours | yes | yes | no | no |
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ..agent.marks import is_elsewhere, is_same
from ..spec.attribution import LaunchFacts, RankFacts
from ..spec.document import fields_of
from ..spec.outcome import Status
from ..spec.secrecy import reveal, variables

if TYPE_CHECKING:
    from ..spec.job import JobSpec

Tell = Callable[[str], None]
"""Takes one short line for a person who waits."""


@dataclass(frozen=True)
class RunSpec:
    """One attempt of a run, as a target sees it.

    `document` is the job as recorded (wire names, defaults filled in, no secret); `base` is the folder that
    relative paths are resolved against; `folder` is the attempt's folder on this machine; `secrets` must be
    written nowhere: environment variables, and texts hidden in the document (`spec.secrecy`); `tracking` are variables
    that only submission can tell: which MLflow run the script logs to. `store` is the identity of the attempt's store,
    empty for attempts that began before stores had one; `backend` tells which of Pulumi's backends its stack is in.
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

    @cached_property
    def job(self) -> JobSpec:
        """The job as a model; building it costs a quarter second of imports, so it is built when asked for."""
        from ..spec.job import JobSpec

        return JobSpec.model_validate(reveal(dict(self.document), self.secrets))

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
    def from_json(cls, document: Mapping[str, Any]) -> Prepared:
        """Reads what `to_json` wrote. Raises `DamagedDocument`."""
        return cls(**fields_of(cls, document, "what was prepared"))


UNKNOWN_PART = "<known after preparation>"
"""Stands in a preview's plan for what only preparation can tell."""


@dataclass(frozen=True)
class Plan:
    """The exact request that a target would send. Nothing has been sent yet, and nothing in it is secret.

    `summary` says in a few words how wide it is, for the row of a person who waits.
    """

    target: str
    run_id: str
    attempt: int
    request: Mapping[str, Any]
    slots: int = 1
    gpus: int = 0
    summary: str = ""

    @property
    def is_complete(self) -> bool:
        """Whether nothing in it still waits for preparation."""
        return UNKNOWN_PART not in repr(self.request)

    def to_json(self) -> dict[str, Any]:
        """A JSON object; `from_json` reads it back."""
        return {
            "target": self.target,
            "run_id": self.run_id,
            "attempt": self.attempt,
            "request": dict(self.request),
            "slots": self.slots,
            "gpus": self.gpus,
            "summary": self.summary,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any], where: str = "the plan in attempt.json") -> Plan:
        """Reads what `to_json` wrote. Raises `DamagedDocument`, which names `where`."""
        return cls(**fields_of(cls, document, where))


@dataclass(frozen=True)
class Handle:
    """What is needed to speak of a submitted attempt again; it can be rebuilt from run id, attempt and workspace.

    `settings` say where the backend is, for who has the record and nothing else, as another machine. `store` is the
    identity of the attempt's store, empty where the attempt began before stores had one. `folder` is the attempt's on
    this machine; `began_in` is the one that it began with, where that is another and is there no more.
    """

    target: str
    run_id: str
    attempt: int
    folder: str
    settings: Mapping[str, str] = field(default_factory=dict)
    store: str = ""
    began_in: str = ""

    @classmethod
    def of(cls, target: str, run: RunSpec, settings: Mapping[str, str] | None = None) -> Handle:
        """The handle of an attempt as a target sees it."""
        return cls(target, run.run_id, run.attempt, str(run.folder), dict(settings or {}), run.store)

    @property
    def key(self) -> tuple[str, int, str, str]:
        """What tells an attempt from all others, of whatever store: run id, number, store's identity, folder."""
        return self.run_id, self.attempt, self.store, self.folder

    def owns(self, store: str, folder: str) -> bool:
        """Whether something at the backend is this attempt's; it bears its run id and number, and these two marks.

        What was started for another folder belongs to that one as long as it is there (`agent.marks.is_elsewhere`).
        Where there is no identity, the folder alone tells.
        """
        if store != self.store:
            return False
        if folder and folder == self.began_in:
            return True
        if store:
            return not is_elsewhere(folder, self.folder, store)
        return bool(folder) and is_same(folder, self.folder)

    def to_json(self) -> dict[str, Any]:
        """A JSON object; `from_json` reads it back. Fields that say nothing are left out."""
        kept = {name: value for name, value in self.__dict__.items() if name not in ("store", "began_in")}
        return {**kept, **({"store": self.store} if self.store else {})}

    @classmethod
    def from_json(cls, document: Mapping[str, Any], where: str = "the handle in attempt.json") -> Handle:
        """Reads what `to_json` wrote. Raises `DamagedDocument`, which names `where`."""
        return cls(**fields_of(cls, document, where))


@dataclass(frozen=True)
class Observation:
    """What a target says of an attempt now.

    `status` is NotStarted where nothing of it exists at the backend, and never where a script of it may have run
    and left traces there; NotResponding where a probe failed. `launch` is there once the launch has ended; an
    attempt that ended without a last word is Failed and has none.
    """

    status: Status
    ranks: tuple[RankFacts, ...] = ()
    launch: LaunchFacts | None = None
    started_at: float | None = None


class Watch(ABC):
    """One watcher of a workspace: many handles, asked as often as the caller likes."""

    @abstractmethod
    def observe(self, handle: Handle) -> Observation:
        """Where the attempt stands. Raises `TransientError` where the backend did not answer."""

    @abstractmethod
    def read_log(self, handle: Handle, rank: int, start: int, limit: int = 1 << 20) -> bytes:
        """Log bytes of a rank from byte `start`, at most `limit`; the next start is `start` + their length."""

    def close(self) -> None:  # noqa: B027 - a watch that holds nothing has nothing to close
        """Lets go of connections."""


class Target(ABC):
    """A place where runs execute. Methods may be called from any thread; none keeps state between processes."""

    name: ClassVar[str]
    leaves: ClassVar[str]
    """What is left at the backend of an attempt that nobody takes away, in a word for people."""
    needs_supervisor: ClassVar[bool]
    submits_by_requests: ClassVar[bool] = False
    """Whether what `submit` starts is no child of the process that calls it, so that any process may."""
    libraries: ClassVar[tuple[str, ...]] = ()
    """Modules of other packages that its methods import when they are called: a driver loads them while the run runs."""

    @abstractmethod
    def prepare(self, run: RunSpec, tell: Tell) -> Prepared:
        """Makes environment or image and brings the data; idempotent.

        Raises:
            PermanentError: with EnvironmentFailed, ImageBuildFailed, ImagePullFailed or DataUnavailable.
            TransientError: worth another try.
        """

    @abstractmethod
    def find_prepared(self, run: RunSpec) -> Prepared | None:
        """What `prepare` would answer, where that is known without work."""

    @abstractmethod
    def plan(self, run: RunSpec, prepared: Prepared | None) -> Plan:
        """The request for an attempt. Pure; with None for `prepared`, what is not known yet is marked."""

    @abstractmethod
    def submit(self, plan: Plan, run: RunSpec) -> Handle:
        """Starts the attempt; one that lives already under this run id and attempt is adopted."""

    @abstractmethod
    def watch(self, compute: Mapping[str, Any]) -> Watch:
        """The watcher of a workspace."""

    @abstractmethod
    def amend(self, handle: Handle, document: Mapping[str, Any]) -> None:
        """Brings changed tags and limits to a live attempt; `document` is the job as it is now."""

    @abstractmethod
    def cancel(self, handle: Handle, grace: float) -> None:
        """Stops the attempt and returns when it has SEEN it stopped; `grace` in seconds. Idempotent."""

    @abstractmethod
    def collect(self, handle: Handle, run: RunSpec, tell: Tell) -> None:
        """Brings outputs and logs into the attempt's folder and delivers named outputs; resumable.

        Raises:
            PermanentError: with CollectFailed.
        """

    @abstractmethod
    def remove(self, handle: Handle) -> None:
        """Removes the backend's objects of an attempt; its record stays. Idempotent."""

    @abstractmethod
    def find(self, compute: Mapping[str, Any], store: str = "") -> Iterable[Handle]:
        """Every live or left attempt of ours in a workspace, by our labels; `store` is the identity of its store."""

    @abstractmethod
    def left(self, tell: Tell) -> Iterable[Handle]:
        """Every attempt of this user's, from this machine, that lives or left something, whatever its workspace.

        `tell` is told of backends that did not answer.
        """


class Queues(ABC):
    """A target whose slots are ours to give: first come, first served, across processes."""

    @abstractmethod
    def enter(self, plan: Plan, run: RunSpec) -> int | None:
        """The attempt's place in the queue (1 is next), or None once it holds its slots. Called until then."""

    @abstractmethod
    def leave(self, run: RunSpec) -> None:
        """Gives back the slots, or the place in the queue. Idempotent."""
