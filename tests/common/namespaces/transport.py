"""Namespaces as a transport: everything about a live node is an exec, as where pods are."""

from __future__ import annotations

import io
import socket
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from pulumi_training.targets.containers import names
from pulumi_training.targets.containers.node_layout import ROOT
from pulumi_training.targets.containers.tar_download import read_members
from pulumi_training.targets.containers.tar_upload import Fill, tar_of
from pulumi_training.targets.containers.transport import (
    STDOUT,
    NodeEnded,
    NodeState,
    Ran,
    Stream,
    StreamEnded,
    Take,
    Transport,
    together,
)
from pulumi_training.targets.contract.handle import Handle

from .machine import Node

_PACK = """import os, sys, tarfile
if not os.path.lexists(sys.argv[1]):
    sys.exit(3)
with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as archive:
    archive.add(sys.argv[1], os.path.basename(sys.argv[1]))
"""
_UNPACK = """import os, sys, tarfile
with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as archive:
    for member in archive:
        place = os.path.join(sys.argv[1], member.name)
        if os.path.lexists(place) and not member.isdir():
            os.unlink(place)
        archive.extract(member, sys.argv[1])
"""
_NO_SUCH_FILE = 3
_PIECE = 1 << 16


class SocketStream(Stream):
    """A process at the other end of a socket pair; what it says may come from elsewhere (`said`)."""

    def __init__(
        self, near: socket.socket, seconds: float | None, said: Iterator[bytes] | None = None
    ) -> None:
        near.settimeout(seconds)
        self._near = near
        self._said = said
        self.is_shut = threading.Event()

    def send(self, data: bytes) -> None:
        try:
            self._near.sendall(data)
        except TimeoutError:
            raise
        except OSError as error:
            raise StreamEnded(str(error)) from error

    def pieces(self) -> Iterator[tuple[int, bytes]]:
        said = self._said if self._said is not None else iter(lambda: self._near.recv(_PIECE), b"")
        for piece in said:
            yield STDOUT, piece

    def shut(self) -> None:
        self.is_shut.set()
        with suppress(OSError):
            self._near.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._near.close()


class NamespaceTransport(Transport):
    """See `Transport`; references are nodes' folders. With `reads_ended` false it is as where pods are."""

    noun = "node"
    reads_ended = True
    puts_before_start = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stdin: dict[str, socket.socket] = {}

    def states(self, handle: Handle) -> dict[int, NodeState]:
        return self.states_of([handle])[handle]

    def states_of(self, handles: Iterable[Handle]) -> dict[Handle, dict[int, NodeState]]:
        nodes = list(Node.all_in(self.folder))

        def is_of(labels: Mapping[str, str], handle: Handle) -> bool:
            wanted = names.labels_to_find(handle.run_id, handle.attempt, handle.store)
            return wanted.items() <= labels.items() and names.is_own(labels, handle)

        return {
            handle: {
                node.facts["node"]: self._state(node) for node in nodes if is_of(node.facts["labels"], handle)
            }
            for handle in handles
        }

    def command_of(self, node: str) -> Sequence[str]:
        command: list[str] = Node(Path(node)).facts["command"]
        return command

    def attach(self, node: str, seconds: float) -> SocketStream:
        near, far = socket.socketpair()
        self._stdin[node] = far
        stream = SocketStream(near, seconds)
        stream._said = _followed(Node(Path(node)), stream, seconds)
        return stream

    def start(self, node: str) -> None:
        with self._stdin.pop(node) as far:
            Node(Path(node)).start(far.fileno())

    def last_words(self, node: str) -> tuple[int | None, str]:
        found = Node(Path(node))
        deadline = time.monotonic() + 10
        while found.status == "running" and time.monotonic() < deadline:
            time.sleep(0.02)
        with suppress(OSError):
            return found.exit_code, found.said.read_text(errors="replace")[-2000:].strip()
        return found.exit_code, ""

    def exec_stream(self, node: str, command: Sequence[str]) -> SocketStream:
        near, far = socket.socketpair()
        with far:
            subprocess.Popen(self._entering(node, command), stdin=far, stdout=far, stderr=subprocess.DEVNULL)
        return SocketStream(near, None)

    def run(self, node: str, command: Sequence[str]) -> Ran:
        done = subprocess.run(self._entering(node, command), stdin=subprocess.DEVNULL, capture_output=True)
        self._require_alive(node, done.returncode)
        return Ran(done.returncode, done.stdout, done.stderr)

    def run_quietly(self, node: str, command: Sequence[str], seconds: float) -> bool:
        try:
            subprocess.run(self._entering(node, command), capture_output=True, timeout=seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def put_files(
        self, node: str, fill: Fill, owner: Sequence[int] | None = None, *, into: str = "/"
    ) -> None:
        content = b"".join(tar_of(fill, owner))
        line = self._entering(node, [self.command_of(node)[0], "-IS", "-c", _UNPACK, into])
        done = subprocess.run(line, input=content, capture_output=True)
        self._require_alive(node, done.returncode)
        assert done.returncode == 0, done.stderr

    def take_files(self, node: str, path: str, take: Take) -> bool:
        found = Node(Path(node))
        if found.status != "running":
            return self._take_of_ended(found, path, take)
        line = self._entering(node, [self.command_of(node)[0], "-IS", "-c", _PACK, path])
        with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout is not None and process.stderr is not None
            first = process.stdout.read1(_PIECE)  # type: ignore[attr-defined]
            try:
                if first:
                    read_members(_all_of(first, process.stdout), take)
            except tarfile.TarError as error:
                raise NodeEnded(f"{found.facts['name']} ended while it was read") from error
            finally:
                process.kill() if sys.exc_info()[0] else None
        if process.returncode == _NO_SUCH_FILE:
            return False
        self._require_alive(node, process.returncode)
        return True

    def kill(self, states: Iterable[NodeState]) -> None:
        together(lambda state: Node(Path(state.id)).kill(), [state for state in states if state.is_running])

    def remove(self, handle: Handle) -> None:
        for state in self.states(handle).values():
            Node(Path(state.id)).remove()

    def close(self) -> None:
        for far in self._stdin.values():
            far.close()

    def _state(self, node: Node) -> NodeState:
        facts = node.facts
        return NodeState(
            facts["node"],
            str(node.place),
            facts["name"],
            node.status,
            node.exit_code,
            ended_at=node.ended_at,
            noun=self.noun,
        )

    def _entering(self, node: str, command: Sequence[str]) -> list[str]:
        line = Node(Path(node)).entering(command)
        if line is None:
            raise NodeEnded(f"{Path(node).name} does not run")
        return line

    def _require_alive(self, node: str, code: int) -> None:
        if code != 0 and Node(Path(node)).status != "running":
            raise NodeEnded(f"{Path(node).name} ended meanwhile")

    def _take_of_ended(self, node: Node, path: str, take: Take) -> bool:
        """Of its disk; what was in its memory is gone."""
        if not self.reads_ended:
            raise NodeEnded(f"{node.facts['name']} has ended, and its disk cannot be read any more")
        if path != ROOT and not path.startswith(f"{ROOT}/"):
            return False
        place = node.place / "disk" / path.removeprefix(ROOT).lstrip("/")
        if not place.exists() and not place.is_symlink():
            return False
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w") as archive:
            archive.add(place, place.name)
        read_members(iter([data.getvalue()]), take)
        return True


def _all_of(first: bytes, rest: IO[bytes]) -> Iterator[bytes]:
    yield first
    yield from iter(lambda: rest.read(_PIECE), b"")


def _followed(node: Node, stream: SocketStream, seconds: float) -> Iterator[bytes]:
    """What a node says, from its beginning, until it ends or nobody listens any more."""
    at, heard = 0, time.monotonic()
    while not stream.is_shut.is_set():
        is_over = node.status == "exited"
        piece = b""
        with suppress(FileNotFoundError):
            with node.said.open("rb") as said:
                said.seek(at)
                piece = said.read(_PIECE)
        if piece:
            at, heard = at + len(piece), time.monotonic()
            yield piece
        elif is_over:
            return
        elif time.monotonic() > heard + seconds:
            raise TimeoutError(f"nothing came for {seconds:g} s")
        else:
            time.sleep(0.01)
