"""The transport: what is asked of a backend of containers, a few verbs about the nodes of an attempt.

A node is named by `NodeState.id`, which only its transport reads. Paths are absolute ones of the node, times are seconds.

| verb | a Docker daemon | Kubernetes |
|---|---|---|
| `states` | list by label, inspect what ended | list by label selector |
| `attach`, `start` | attach, then start | a pod starts by itself: attach as soon as it runs, nothing to start |
| `exec_stream`, `run` | exec | exec over a WebSocket, which tells the exit code last, or not at all |
| `run_quietly` | detached exec, asked for until it ends | exec with pings, or a marker of its own that is asked for |
| `put_files` | the archive call, before the start too | exec of a program that unpacks its standard input |
| `take_files` | the archive call, after the end too | exec of `tar`; an ended pod is not readable (`reads_ended`) |
| `kill` | kill | delete, and wait until it is gone |

Every verb raises TransientError where the backend does not answer or its answer is cut short, PermanentError where it
refuses, and the ones about one node raise `NodeEnded` where that ended meanwhile. "No such file" is an answer, no error.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, ClassVar, TypeVar

from ...spec.errors import TransientError

if TYPE_CHECKING:
    import tarfile

    from ..contract.handle import Handle
    from .tar_upload import Fill

_THREADS = 8
_T = TypeVar("_T")
_R = TypeVar("_R")

STDOUT = 1
"""The kind of a stream's pieces that are standard output; all others are standard error."""
FILE_LIMIT = 1 << 20
"""Bytes of a small file."""
Take = Callable[["tarfile.TarInfo", "IO[bytes] | None"], None]
"""Takes one member of what is brought, with its content where it is a file."""


@dataclass(frozen=True)
class NodeState:
    """A node's container as its backend tells.

    `id` is the transport's own reference, which nobody else reads. `status` is one of created, running, paused,
    restarting, exited, dead, and gone where it was there a moment ago. `ended_at` is in seconds since 1970 (UTC);
    a node whose end has no time counts as one that ended before its run did. `noun` is what the backend calls a node.
    """

    node: int
    id: str
    name: str
    status: str
    exit_code: int | None = None
    was_out_of_memory: bool = False
    ended_at: float | None = None
    noun: str = "container"

    @property
    def is_running(self) -> bool:
        """Whether its processes can live; a paused container's can."""
        return self.status in ("running", "paused", "restarting")

    @property
    def words(self) -> str:
        """How it ended."""
        what = f"{self.noun} {self.name}"
        if self.was_out_of_memory:
            return f"{what} ran out of memory"
        code = "" if self.exit_code is None else f" with exit code {self.exit_code}"
        return f"{what} ended{code}" if self.status != "gone" else f"{what} is gone"


class NodeEnded(TransientError):
    """A node ended, or was taken away, before it did what it was asked; the next look at the states tells more."""


class StreamEnded(OSError):
    """The process, or the connection to it, is gone."""


class Stream(ABC):
    """A process of a node, talked to: its standard input, and what it says.

    One thread may send while another reads. Only the reader closes. Standard input cannot be ended alone: what a process
    reads must say itself where it ends. When the stream is shut, or its connection breaks, the process finds its input
    ended, and ends.
    """

    @abstractmethod
    def send(self, data: bytes) -> None:
        """Sends to standard input. Raises StreamEnded, or TimeoutError."""

    @abstractmethod
    def pieces(self) -> Iterator[tuple[int, bytes]]:
        """What comes, with its kind (`STDOUT`), until the process or the connection ends, which are not told apart.

        Raises OSError where it breaks, or TimeoutError.
        """

    @abstractmethod
    def shut(self) -> None:
        """Ends both ways; whoever reads or sends sees that."""

    @abstractmethod
    def close(self) -> None:
        """Frees the connection."""


@dataclass(frozen=True)
class Ran:
    """A command that a node ran. `exit_code` is None where the backend cannot tell, which is no success."""

    exit_code: int | None
    output: bytes
    errors: bytes


class Transport(ABC):
    """A connection to one backend. Its methods may be called from several threads."""

    reads_ended: ClassVar[bool]
    """Whether files of an ended node can be read. Where they cannot, `take_files` and `read_file` of one raise
    `NodeEnded`, and a node that has said its last word is not ended before its files are brought."""
    puts_before_start: ClassVar[bool]
    """Whether `put_files` works on a node that was not started. Where it does not, whoever runs in a new node may write to
    its disk from the start."""

    noun: ClassVar[str] = "container"
    """What a node is called in words for people."""

    @abstractmethod
    def states(self, handle: Handle) -> dict[int, NodeState]:
        """Every node of an attempt that there is, by its number: running, ended, or not started."""

    @abstractmethod
    def states_of(self, handles: Iterable[Handle]) -> dict[Handle, dict[int, NodeState]]:
        """`states` of many attempts, by one question."""

    @abstractmethod
    def command_of(self, node: str) -> Sequence[str]:
        """The whole command that a node was made with."""

    @abstractmethod
    def attach(self, node: str, seconds: float) -> Stream:
        """The first process of a node that was made; `seconds` is the longest wait for it to take or to say something.

        Where nodes start by themselves it waits until this one runs.
        """

    @abstractmethod
    def start(self, node: str) -> None:
        """Starts a node that is attached; nothing to do where nodes start by themselves."""

    @abstractmethod
    def last_words(self, node: str) -> tuple[int | None, str]:
        """How a node ended, which it did or is about to do: its exit code and the last lines it said; None where the
        backend cannot tell. Raises nothing."""

    @abstractmethod
    def exec_stream(self, node: str, command: Sequence[str]) -> Stream:
        """Starts a command in a node and talks to it, for as long as it runs."""

    @abstractmethod
    def run(self, node: str, command: Sequence[str]) -> Ran:
        """Runs a short command in a node to its end."""

    @abstractmethod
    def run_quietly(self, node: str, command: Sequence[str], seconds: float) -> bool:
        """Runs a command that may say nothing for longer than a connection is held. Whether it ended in so many seconds."""

    @abstractmethod
    def put_files(
        self, node: str, fill: Fill, owner: Sequence[int] | None = None, *, into: str = "/"
    ) -> None:
        """Puts files into a node, as `tar_upload.tar_of` writes them; `owner` is uid and gid, None opens them to all.

        The paths in `fill` are below the folder `into`, which is there. In the order of `fill`: what is there under a name
        is replaced.
        """

    @abstractmethod
    def take_files(self, node: str, path: str, take: Take) -> bool:
        """Calls `take` for `path` and everything below it; False where there is nothing.

        Names are relative to the folder above `path`. Links are not followed, but on the way to `path`.
        """

    def read_file(self, node: str, path: str) -> bytes | None:
        """A small file of a node, the first MiB of it at most, or None where there is none."""
        found: list[bytes] = []

        def take(_: tarfile.TarInfo, content: IO[bytes] | None) -> None:
            if content is not None:
                found.append(content.read(FILE_LIMIT))

        self.take_files(node, path, take)
        return found[0] if found else None

    def peek(self, node: str, path: str) -> bytes | None:
        """`read_file`; None too where the node has ended and cannot be read any more."""
        try:
            return self.read_file(node, path)
        except NodeEnded:
            return None

    @abstractmethod
    def kill(self, states: Iterable[NodeState]) -> None:
        """Ends nodes at once and returns when they have ended; those that ended before are no error."""

    @abstractmethod
    def remove(self, handle: Handle) -> None:
        """Removes all that the backend has of an attempt; what is gone already is no error."""

    @abstractmethod
    def close(self) -> None:
        """Lets go of the connection."""


Address = Mapping[str, str]
"""Where a backend is, as it may be written: secrets by name only (`targets.withheld`)."""


def together(work: Callable[[_T], _R], items: Sequence[_T]) -> list[_R]:
    """Does the same for each, a few at a time; raises the first trouble after all have ended."""
    if len(items) < 2:
        return [work(item) for item in items]
    with ThreadPoolExecutor(min(_THREADS, len(items)), thread_name_prefix="nodes") as pool:
        return [done.result() for done in [pool.submit(work, item) for item in items]]
