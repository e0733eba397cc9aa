"""`agent ship`: sends what a run writes to whoever drives it from afar, while it is written.

Standard output has frames: 4 bytes with the length of a JSON head (big-endian), the head, and as many bytes
of content as its `n` says. Heads: `{"file": path, "at": offset, "n": length}`, where offset 0 begins the file
anew; `{"file": path, "whole": true, "n": length}` for a small file replaced; `{"run": state}` as `alone.state`
has it; `{"flushed": number}`. Standard input has lines: first `{"have": {path: bytes}}`, then
`{"flush": number}` for an answer once everything is sent. Its end ends the verb.

Nodes share no disk, so that files of one name may be several; event files have their node's name in their own, and
`--events PART` sends those of a part, and nothing else of it.
"""

from __future__ import annotations

import os
import select
import stat
import struct
import time

from .alone import END, state
from .facts import ROOM, open_plain
from .plainjson import dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

PIECE_BYTES = 1 << 18
"""What one file may send before the others have their turn."""
LIMIT_ENTRIES = 5_000
"""Of each part: a script that writes more below `logs` has the rest brought at the end; facts come in any case."""
TICK_SECONDS = 0.1
_UNSHIPPED = ("launch/launch.json", "launch/agent.lock", "launch/stop", ROOM, END)
_WHOLE = ("launch/", "ranks/")


class Shipper:
    """The files of some parts of an attempt's folder, and how far each was sent."""

    def __init__(
        self, folder: str, parts: list[str], have: dict[str, int], events: str | None = None
    ) -> None:
        self._folder = folder
        self._parts = parts
        self._events = events
        self._own = f".{os.uname().nodename}"
        self._sent = dict(have)
        self._marks: dict[str, tuple[int, int, int]] = {}
        self._told = ""

    def turn(self) -> bool:
        """Sends a piece of every file that has news, and the run's state; whether there is more to send.

        The last word of a run goes out only after everything that was written before it.
        """
        now = state(self._folder) if "launch" in self._parts else ""
        has_more = self._send_files()
        if now == self._told or (has_more and now in ("ended", "gone")):
            return has_more
        if now == "ended":
            self._send_whole(END)
        self._told = now
        _send({"run": now})
        return has_more

    def flush(self, number: int) -> None:
        """Sends everything that is there, then says so."""
        while self.turn():
            continue
        _send({"flushed": number})

    def _send_files(self) -> bool:
        has_more = False
        for path, found in self._files():
            if path.startswith(_UNSHIPPED):
                continue
            if path.startswith(_WHOLE) and path.endswith(".json"):
                mark = (found.st_ino, found.st_mtime_ns, found.st_size)
                if self._marks.get(path) != mark and self._send_whole(path):
                    self._marks[path] = mark
                continue
            has_more |= self._send_piece(path, found.st_size)
        return has_more

    def _send_piece(self, path: str, size: int) -> bool:
        at = self._sent.get(path, 0)
        if size < at:
            at = 0  # it was begun anew
        if size == at and path in self._sent:
            return False
        try:
            with os.fdopen(open_plain(f"{self._folder}/{path}"), "rb") as stream:
                stream.seek(at)
                piece = stream.read(PIECE_BYTES)
        except OSError:
            return False
        _send({"file": path, "at": at, "n": len(piece)}, piece)
        self._sent[path] = at + len(piece)
        return self._sent[path] < size and bool(piece)

    def _send_whole(self, path: str) -> bool:
        try:
            with os.fdopen(open_plain(f"{self._folder}/{path}"), "rb") as stream:
                content = stream.read()
        except OSError:
            return False
        _send({"file": path, "whole": True, "n": len(content)}, content)
        return True

    def _files(self) -> Iterator[tuple[str, os.stat_result]]:
        yield from self._below(self._parts)
        if self._events:
            for path, found in self._below([self._events]):
                if "tfevents" in path and self._own in path.rpartition("/")[2]:
                    yield path, found

    def _below(self, parts: list[str]) -> Iterator[tuple[str, os.stat_result]]:
        for part in parts:
            yield from self._below_one(part)

    def _below_one(self, part: str) -> Iterator[tuple[str, os.stat_result]]:
        left, waiting = LIMIT_ENTRIES, [part]
        while waiting and left > 0:
            part = waiting.pop()
            try:
                entries = list(os.scandir(f"{self._folder}/{part}"))
            except OSError:
                continue
            for entry in entries:
                left -= 1
                try:
                    found = entry.stat(follow_symlinks=False)
                except OSError:
                    continue
                if stat.S_ISDIR(found.st_mode):
                    waiting.append(f"{part}/{entry.name}")
                elif stat.S_ISREG(found.st_mode) and not entry.name.endswith(".tmp"):
                    yield f"{part}/{entry.name}", found


def ship(folder: str, parts: list[str], events: str | None = None) -> int:
    """Ships until standard input ends or nobody takes the output."""
    orders = _Orders()
    try:
        shipper = Shipper(folder, parts, orders.wait_for_first().get("have") or {}, events)
        while not orders.are_over:
            began = time.monotonic()
            has_more = shipper.turn()
            pause = max(TICK_SECONDS, 4 * (time.monotonic() - began))  # many files: look less often
            for order in orders.next_ones(0.0 if has_more else pause):
                if "flush" in order:
                    shipper.flush(int(order["flush"]))
    except OSError:
        return 1  # whoever listened is gone
    return 0


class _Orders:
    """Lines of standard input."""

    def __init__(self) -> None:
        self.are_over = False
        self._buffer = b""
        self._waiting: list[dict[str, Any]] = []

    def wait_for_first(self) -> dict[str, Any]:
        while not self.are_over:
            first, *self._waiting = self.next_ones(60.0) or [{}]
            if first:
                return first
        return {}

    def next_ones(self, seconds: float) -> list[dict[str, Any]]:
        if self._waiting:  # they came together with the first one
            waiting, self._waiting = self._waiting, []
            return waiting
        if not select.select([0], [], [], seconds)[0]:
            return []
        piece = os.read(0, 1 << 16)
        if not piece:
            self.are_over = True
        *lines, self._buffer = (self._buffer + piece).split(b"\n")
        return [loads(line.decode("utf-8")) for line in lines if line]


def _send(head: dict[str, Any], content: bytes = b"") -> None:
    words = dumps(head).encode("ascii")
    rest = memoryview(struct.pack(">I", len(words)) + words + content)
    while rest:
        rest = rest[os.write(1, rest) :]
