"""What a node's `agent ship` sends, written into the attempt's folder while the run goes on."""

from __future__ import annotations

import json
import stat
import struct
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...agent.sparse import finish, write_sparse
from ...record.files import write_whole
from ...record.store import StoreError, explained
from .conclusion import is_better
from .node_layout import EVENTS, FIRST_NODE, FOLDER, OTHER_NODES, host_name
from .places import UNNAMEABLE, Blocked, found_at, is_of_this_side
from .transport import STDOUT

if TYPE_CHECKING:
    from .mark import MarkFile
    from .transport import Transport

_CLOSE_SECONDS = 10.0


class LogShipping:
    """One node's stream, read by a thread of its own until it ends.

    `state` is the run's as node 0 tells it (None until told), `is_over` once nothing more can come, `refused` what
    this machine did not take, after which it is over too.
    """

    def __init__(
        self,
        transport: Transport,
        reference: str,
        agent: Sequence[str],
        folder: Path,
        node: int,
        mark: MarkFile,
    ) -> None:
        self.state: str | None = None
        self.is_over = False
        self.trouble = ""
        self.refused: StoreError | None = None
        self._folder = folder
        self._mark = mark
        self._parts = FIRST_NODE if node == 0 else OTHER_NODES
        self._flushed = self._asked = 0
        self._news = threading.Condition()
        self._events = f".{host_name(node)}" if node else ""
        command = [*agent, "ship", "--folder", FOLDER, "--parts", ",".join(self._parts)]
        if self._events:
            command += ["--events", EVENTS]
        self._stream = transport.exec_stream(reference, command)
        self._send({"have": self._have()})
        self._reader = threading.Thread(target=self._receive, name=f"ship-{node}", daemon=True)
        self._reader.start()

    def wait(self, seconds: float) -> None:
        """Returns with the first word of the run's state, or after so many seconds."""
        with self._news:
            self._news.wait_for(lambda: self.state is not None or self.is_over, seconds)

    def flush(self, seconds: float) -> bool:
        """Whether everything that was written has come, waiting so many seconds for it at most."""
        self._asked += 1
        try:
            self._send({"flush": self._asked})
        except OSError:
            return False
        with self._news:
            self._news.wait_for(lambda: self._flushed >= self._asked or self.is_over, seconds)
            return self._flushed >= self._asked

    def close(self) -> None:
        """Ends the stream, and with it the node's side; returns when its reader has ended."""
        self._stream.shut()
        if self._reader is not threading.current_thread():
            self._reader.join(_CLOSE_SECONDS)

    def _send(self, line: Mapping[str, object]) -> None:
        self._stream.send(json.dumps(line).encode() + b"\n")

    def _have(self) -> dict[str, int]:
        paths = [path for part in self._parts for path in (self._folder / part).rglob("*")]
        if self._events:
            paths += (self._folder / EVENTS).rglob(f"*tfevents*{self._events}*")
        return {
            path.relative_to(self._folder).as_posix(): path.stat().st_size
            for path in paths
            if path.is_file() and not path.is_symlink() and path.suffix != ".json"
        }

    def _receive(self) -> None:
        try:
            for head, content in _frames(self._stdout()):
                self._take(head, content)
        except StoreError as error:
            self.trouble, self.refused = error.message, error
        except (OSError, ValueError, struct.error) as error:
            self.trouble = str(error)
        finally:
            self._stream.close()
            with self._news:
                self.is_over = True
                self._news.notify_all()

    def _take(self, head: dict[str, Any], content: bytes) -> None:
        if "file" in head:
            try:
                self._write(
                    str(head["file"]), int(head.get("at", 0)), content, is_whole=bool(head.get("whole"))
                )
            except StoreError as error:
                # A name that cannot be had here at all is left out at the end, and told then.
                if not isinstance(error.__cause__, OSError) or error.__cause__.errno not in UNNAMEABLE:
                    raise
            return
        with self._news:
            self.state = head.get("run", self.state)
            self._flushed = int(head.get("flushed", self._flushed))
            self._news.notify_all()

    def _write(self, name: str, at: int, content: bytes, *, is_whole: bool) -> None:
        if not self._is_expected(name):
            raise ValueError(f"a file outside of what was asked for: {name}")
        path = self._folder / name
        with explained(self._folder, f"{name} of a node cannot be written there"):
            try:
                here = found_at(self._folder, name)
            except Blocked:
                return  # what has the same name in another node is sorted out at the end
            if here is not None and not stat.S_ISREG(here.st_mode):
                return
            if is_whole:
                if not name.startswith("ranks/") or is_better(content, path):
                    write_whole(path, content, durable=False)
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("r+b" if here is not None and at else "wb") as stream:
                stream.truncate(at)
                write_sparse(stream.fileno(), at, content)
                finish(stream.fileno(), at + len(content))

    def _is_expected(self, name: str) -> bool:
        """Whether the node was asked for files of that name: it is a script's to do with as it likes."""
        if is_of_this_side(name, self._mark):
            return False
        if any(name.startswith(f"{part}/") for part in self._parts):
            return True
        is_event_file = name.startswith(f"{EVENTS}/") and "tfevents" in name
        return bool(self._events) and is_event_file and self._events in name.rpartition("/")[2]

    def _stdout(self) -> Iterator[bytes]:
        errors = b""
        for kind, piece in self._stream.pieces():
            if kind == STDOUT:
                yield piece
            else:
                errors = (errors + piece)[-2000:]
                self.trouble = errors.decode("utf-8", "replace")


def _frames(pieces: Iterator[bytes]) -> Iterator[tuple[dict[str, Any], bytes]]:
    """Heads with their content, out of pieces cut anywhere; half a frame at the end is dropped."""
    buffer = bytearray()

    def has(count: int) -> bool:
        while len(buffer) < count:
            piece = next(pieces, None)
            if piece is None:
                return False
            buffer.extend(piece)
        return True

    def take(count: int) -> bytes:
        data = bytes(buffer[:count])
        del buffer[:count]
        return data

    while has(4):
        length = struct.unpack(">I", take(4))[0]
        if not has(length):
            return
        head = json.loads(take(length))
        count = int(head.get("n", 0))
        if not has(count):
            return
        yield head, take(count)
