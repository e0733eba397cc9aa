"""What a target of containers says of its backend beside the transport: where it is, and how nodes are made there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ...record.store import StoreError
from ...spec.document import object_or_none
from ...spec.errors import PermanentError, SpecError, TransientError
from ...spec.refusals import advice
from . import names
from .mark import MarkFile
from .node_layout import FOLDER
from .transport import NodeEnded

if TYPE_CHECKING:
    from ..contract.handle import ComputeReference, Handle
    from ..contract.plan import Plan
    from ..contract.run import RunSpec
    from .transport import Address, NodeState, Transport

T = TypeVar("T", bound="Transport")
_LOCK = f"{FOLDER}/launch/agent.lock"


class Backend(ABC, Generic[T]):
    """A kind of backend: `mark` is the file of its attempts' marks, `lost` says how files of a node get out of reach."""

    mark: MarkFile
    lost: str

    @abstractmethod
    def connect(self, address: Address) -> T:
        """A transport to the backend at an address.

        Raises:
            PermanentError: what is needed to ask is not installed here.
            SpecError: the address cannot be read.
            TransientError: nobody answers, or a part of the address is a secret that this process was not given.
        """

    @abstractmethod
    def address_in(self, known: Mapping[str, object]) -> dict[str, str]:
        """The address in a mark, or in a handle's settings; empty where there is none."""

    @abstractmethod
    def address_of(self, compute: ComputeReference) -> dict[str, str]:
        """The address of a cluster's backend.

        Raises:
            SpecError: it cannot be made out.
            TransientError: a part of it is a secret that this process was not given.
        """

    def address_from_here(self, compute: ComputeReference, known: dict[str, str]) -> dict[str, str]:
        """An address that was recorded, maybe on another machine, with what this machine has for it."""
        return known

    def require_own(self, handle: Handle, address: Address) -> None:
        """Raises TransientError where a backend that has nothing of an attempt may be another one than its own."""

    def remember(self, address: Address) -> None:
        """Notes that this user has used a backend from here."""

    @abstractmethod
    def create(self, transport: T, plan: Plan, run: RunSpec) -> list[str]:
        """Makes the nodes of an attempt, and what they stand on; answers their references in the order of the plan's.

        Raises:
            PermanentError: it cannot be made as planned.
            NameTaken: something has a name already, of this attempt or not.
        """

    def require_own_node(self, transport: T, node: Mapping[str, object], run: RunSpec) -> None:
        """Raises PermanentError where a node was given what is somebody else's."""

    def address_of_attempt(
        self, compute: ComputeReference, handle: Handle, mark: Mapping[str, object]
    ) -> dict[str, str]:
        """The address of an attempt's backend; empty where nothing was submitted.

        This machine's mark says it, else what was recorded at submission. Where a submission may have come to no record,
        on another machine, it is the cluster's.

        Raises:
            TransientError: the cluster's address is a secret that this process was not given, or cannot be made out.
        """
        known = self.address_in(mark) or self.address_in(handle.settings)
        if known:
            return known if mark else self.address_from_here(compute, known)
        return self.address_of(compute) if handle.driven_on else {}

    def mark_of(self, handle: Handle) -> dict[str, Any]:
        """What this machine's folder knows of the attempt; {} where nothing was submitted from it."""
        return self.mark.read(Path(handle.folder)) if handle.folder else {}

    @contextmanager
    def talking(self, address: Address) -> Iterator[T]:
        """A transport, closed at the end; raises as `connect` does, and StoreError for what this machine refuses."""
        transport = self.connect(address)
        try:
            with of_this_machine():
                yield transport
        finally:
            transport.close()

    @contextmanager
    def reaching(self, address: Address) -> Iterator[T]:
        """`talking` to the backend of an attempt that was submitted: that this machine lacks what it needs for that, as a
        library or certificates, tells nothing of the attempt, and is worth another try once it has them.

        Raises:
            TransientError: nobody answers, or this machine cannot ask.
        """
        try:
            transport = self.connect(address)
        except (SpecError, PermanentError) as error:
            raise TransientError(error.message) from error
        try:
            with of_this_machine():
                yield transport
        finally:
            transport.close()

    def learn_mark(
        self, transport: Transport, handle: Handle, address: Address, found: Mapping[int, NodeState]
    ) -> dict[str, Any]:
        """The mark of an attempt that was submitted from another folder, read out of its nodes; {} where there are none.

        It is kept in the attempt's folder, where there is one. What node 0 alone can tell is missing where that is gone.
        """
        if not found:
            return {}
        first = found.get(0)
        launch: Mapping[str, Any] = {}
        if first is not None:
            launch = object_or_none(transport.peek(first.id, f"{FOLDER}/launch/launch.json") or b"") or {}
        command = transport.command_of(next(iter(found.values())).id)
        count = int(launch.get("node_count") or max(found) + 1)
        mark = {
            **address,
            "run_id": handle.run_id,
            "attempt": handle.attempt,
            "nodes": [
                found[node].name
                if node in found
                else names.object_name(handle.run_id, handle.attempt, node, store=handle.store)
                for node in range(count)
            ],
            "ranks": count * int(launch.get("process_count_per_node") or 1),
            "agent": agent_in(command),
            "begun": was_launched(transport, found),
            **({"store": handle.store} if handle.store else {}),
        }
        if handle.folder and Path(handle.folder).is_dir():
            self.mark.write(Path(handle.folder), mark)
        return mark


class NameTaken(PermanentError):
    """Something at the backend has a name that an object of the attempt is to get."""


def was_launched(transport: Transport, found: Mapping[int, NodeState]) -> bool:
    """Whether scripts may have been started: the agent's lock is in node 0, or what is in there cannot be told any more."""
    if 0 not in found:
        return False
    try:
        return transport.read_file(found[0].id, _LOCK) is not None
    except NodeEnded:
        return True


def agent_in(command: Sequence[str]) -> list[str]:
    """The agent's line in a node's command (`node_start.first_command`)."""
    return [*command[:3], command[5]]


@contextmanager
def of_this_machine() -> Iterator[None]:
    """Turns what this machine's files refuse into words; a transport tells of its own troubles itself.

    Raises:
        StoreError: the file system refused.
    """
    try:
        yield
    except OSError as error:
        place = error.filename or "a file of this machine"
        raise StoreError(f"{place} cannot be used: {advice(error)}") from error
