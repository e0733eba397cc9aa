"""A transport of which a test gives the verbs that it needs; all others fail."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pulumi_training.targets.containers.tar_upload import Fill
from pulumi_training.targets.containers.transport import NodeState, Ran, Stream, Take, Transport
from pulumi_training.targets.contract.handle import Handle


class PartTransport(Transport):
    """See `Transport`."""

    reads_ended = True
    puts_before_start = True

    def states(self, handle: Handle) -> dict[int, NodeState]:
        raise AssertionError("not asked in this test")

    def states_of(self, handles: Iterable[Handle]) -> dict[Handle, dict[int, NodeState]]:
        raise AssertionError("not asked in this test")

    def command_of(self, node: str) -> Sequence[str]:
        raise AssertionError("not asked in this test")

    def attach(self, node: str, seconds: float) -> Stream:
        raise AssertionError("not asked in this test")

    def start(self, node: str) -> None:
        raise AssertionError("not asked in this test")

    def last_words(self, node: str) -> tuple[int | None, str]:
        raise AssertionError("not asked in this test")

    def exec_stream(self, node: str, command: Sequence[str]) -> Stream:
        raise AssertionError("not asked in this test")

    def run(self, node: str, command: Sequence[str]) -> Ran:
        raise AssertionError("not asked in this test")

    def run_quietly(self, node: str, command: Sequence[str], seconds: float) -> bool:
        raise AssertionError("not asked in this test")

    def put_files(
        self, node: str, fill: Fill, owner: Sequence[int] | None = None, *, into: str = "/"
    ) -> None:
        raise AssertionError("not asked in this test")

    def take_files(self, node: str, path: str, take: Take) -> bool:
        raise AssertionError("not asked in this test")

    def kill(self, states: Iterable[NodeState]) -> None:
        raise AssertionError("not asked in this test")

    def remove(self, handle: Handle) -> None:
        raise AssertionError("not asked in this test")

    def close(self) -> None:
        """Nothing is held."""
