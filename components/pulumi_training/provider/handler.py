"""What a resource does, said without gRPC: one handler per type, one frozen call per request.

Values in calls and answers are those of `wire`: plain Python, with `UNKNOWN` and `Secret` anywhere inside.
Property names are the wire's (camelCase). A handler runs on the server's event loop: blocking work goes
through `pool.blocking`.

How a method fails: `SpecError`, `TransientError` and `PermanentError` become clean errors in the user's
terminal; `InitFailed` (create, update and read only) fails the operation and keeps the state; anything else
is shown in one line, and its traceback goes to a log file that the line names.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

from ..spec.errors import Problem, TrainingError, shorten


@dataclass(frozen=True)
class ProviderConfig:
    """The provider's own configuration (`pulumi config set training:<key>`).

    `store` is the fsspec URL of the default record store, used where an import id names none; None: not set.
    `program_directory` is the folder that relative paths in inputs are resolved against.
    """

    store: str | None = None
    program_directory: str = "."


class Progress(Protocol):
    """What the user sees while an operation runs. Safe to call from any thread; never raises."""

    def line(self, text: str) -> None:
        """Shows `text` in the resource's row, at most one a second; the latest wins."""

    def info(self, text: str) -> None:
        """Prints `text` under the resource when the operation ends, and shows it live."""

    def warning(self, text: str) -> None:
        """As `info`, as a warning."""


class Cancellation(asyncio.Event):
    """Set when the user asked to stop (Ctrl-C), or when the engine is gone.

    `is_detached` says the latter: nobody reads an answer any more, the process ends within seconds, and the
    run must be left to whoever owns it. `is_set` may be asked from any thread.
    """

    def __init__(self) -> None:
        super().__init__()
        self.is_detached = False

    def detach(self) -> None:
        """Sets the event, and says that the engine is gone."""
        self.is_detached = True
        self.set()


@dataclass(frozen=True, kw_only=True)
class Call:
    """What every call has. `secrets` are the texts to be masked wherever words of this call are shown."""

    urn: str
    name: str
    type: str
    secrets: tuple[str, ...] = field(repr=False, default=())

    @property
    def stack(self) -> str:
        """The stack in the URN (`urn:pulumi:<stack>::<project>::<type>::<name>`)."""
        return urn_parts(self.urn)[0]

    @property
    def project(self) -> str:
        """The project in the URN."""
        return urn_parts(self.urn)[1]

    @property
    def owner(self) -> dict[str, str]:
        """Whose the resource is, as records have it."""
        return {"urn": self.urn, "stack": self.stack, "project": self.project}


@dataclass(frozen=True, kw_only=True)
class Operation(Call):
    """What every call has that may take long. `timeout` is customTimeouts in seconds; None: not given."""

    progress: Progress
    cancelled: Cancellation
    timeout: float | None = None


@dataclass(frozen=True, kw_only=True)
class CheckCall(Call):
    """New inputs to be completed and validated; `old_inputs` is None for a resource that is new."""

    inputs: dict[str, Any]
    old_inputs: dict[str, Any] | None = None


@dataclass(frozen=True)
class CheckAnswer:
    """The inputs as they will be kept in state, everything wrong with them, and what a person is told beside it."""

    inputs: Mapping[str, Any]
    problems: Sequence[Problem] = ()
    warnings: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class DiffCall(Call):
    """Old and new; there is no telling whether this is a preview."""

    id: str
    old_inputs: dict[str, Any]
    old_outputs: dict[str, Any]
    inputs: dict[str, Any]


class ChangeKind(str, Enum):
    """What happened to a property."""

    ADD = "add"
    DELETE = "delete"
    UPDATE = "update"


@dataclass(frozen=True)
class PropertyChange:
    """One property that differs, by its path (`environment.pipPackages[0]`).

    `replace`: it cannot change in place.
    """

    path: str
    kind: ChangeKind = ChangeKind.UPDATE
    replace: bool = False


@dataclass(frozen=True)
class DiffAnswer:
    """Every change; none means unchanged."""

    changes: Sequence[PropertyChange] = ()
    delete_before_replace: bool = False


@dataclass(frozen=True, kw_only=True)
class CreateCall(Operation):
    """Make it. With `preview` nothing may be made: answer what is known already."""

    inputs: dict[str, Any]
    preview: bool = False


@dataclass(frozen=True)
class CreateAnswer:
    """The id (it may be empty in preview only) and the outputs; in preview a missing output is unknown."""

    id: str
    outputs: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class UpdateCall(Operation):
    """Change it in place; also called with equal inputs when the last operation ended in `InitFailed`."""

    id: str
    old_inputs: dict[str, Any]
    old_outputs: dict[str, Any]
    inputs: dict[str, Any]
    preview: bool = False


@dataclass(frozen=True)
class UpdateAnswer:
    """The outputs; in preview a missing output is unknown. An update cannot change the id."""

    outputs: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class ReadCall(Operation):
    """Look at it: for `pulumi refresh` with its inputs and outputs, for `pulumi import` with the id alone."""

    id: str
    inputs: dict[str, Any]
    outputs: dict[str, Any]

    @property
    def is_import(self) -> bool:
        """Whether nothing but the id is known."""
        return not self.inputs and not self.outputs


@dataclass(frozen=True)
class ReadAnswer:
    """What there is; the id may be another than was asked for (an import id has a store in front)."""

    id: str
    outputs: Mapping[str, Any]
    inputs: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class DeleteCall(Operation):
    """Remove it; that it is gone already is a success."""

    id: str
    old_inputs: dict[str, Any]
    outputs: dict[str, Any]


class InitFailed(TrainingError):
    """The resource exists and is in state, and the operation failed nevertheless.

    The engine keeps `id` and `outputs`, prints `reasons` under the resource, fails the update, and calls
    Update on the next `up` even when nothing changed. `inputs` None: those of the call.
    """

    def __init__(
        self,
        id: str,
        outputs: Mapping[str, object],
        inputs: Mapping[str, object] | None = None,
        reasons: Sequence[str] = (),
    ) -> None:
        self.id = id
        self.outputs = outputs
        self.inputs = inputs
        self.reasons = tuple(shorten(reason) for reason in reasons)
        super().__init__("\n".join(self.reasons) or "the resource did not reach its goal")


class ResourceHandler(ABC):
    """One resource type of the package. Every method may be called many times at once."""

    config = ProviderConfig()

    def configured(self, config: ProviderConfig) -> None:
        """Takes the provider's configuration, before the first operation."""
        self.config = config

    @property
    def base(self) -> Path:
        """The folder that relative paths are resolved against: the program's."""
        return Path(self.config.program_directory).absolute()

    async def closing(self) -> None:  # noqa: B027 - most types have no use for it
        """The engine said Cancel while no call ran: it has read every answer, and will end the plugin.

        Must be quick (the engine allows 5 s) and may be called more than once. It does not come when the
        engine was killed.
        """

    @abstractmethod
    async def check(self, call: CheckCall) -> CheckAnswer:
        """Fills defaults and validates; everything derived from files that decides the diff is added here."""

    @abstractmethod
    async def diff(self, call: DiffCall) -> DiffAnswer:
        """Compares `inputs` with `old_inputs`."""

    @abstractmethod
    async def create(self, call: CreateCall) -> CreateAnswer:
        """Makes the resource, or in preview says what is known of it."""

    @abstractmethod
    async def update(self, call: UpdateCall) -> UpdateAnswer:
        """Changes the resource in place, or goes on where it failed."""

    @abstractmethod
    async def read(self, call: ReadCall) -> ReadAnswer | None:
        """The resource as it is; None only when it is surely gone, an error when that cannot be told."""

    @abstractmethod
    async def delete(self, call: DeleteCall) -> None:
        """Removes the resource."""


def urn_parts(urn: str) -> list[str]:
    """Stack, project, type (after those of its parents, with `$` between) and name, which may hold `::` too."""
    parts = urn.removeprefix("urn:pulumi:").split("::", 3)
    return parts + [""] * (4 - len(parts))
