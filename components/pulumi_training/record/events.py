"""What happened to an attempt, in order: JSON lines in numbered segments, read from a cursor on."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..agent.facts import open_plain
from ..spec.document import DamagedDocument, Time, fields_of, object_or_none
from ..spec.refusals import advice
from .documents import masked
from .files import write_all
from .store import NotFound, Store, StoreError

SEGMENT_BYTES = 1024 * 1024
SEGMENT_LINES = 1000
START = "000001:0"
_SEGMENT = re.compile(r"^[0-9]{6,12}\.jsonl$")


@dataclass(frozen=True)
class Event:
    """One line: when (seconds since 1970), what kind, in words, with data; `cursor` is the place after it."""

    cursor: str
    at: Time
    kind: str
    message: str = ""
    data: dict[str, Any] = field(default_factory=dict)


class EventLog:
    """The `events/` folder of an attempt. A file is appended to; an object store gets a segment per event."""

    def __init__(self, store: Store, prefix: str, secrets: tuple[str, ...] = ()) -> None:
        self._store = store
        self._prefix = prefix
        self._secrets = secrets
        self._counted = (0, 0, 0)  # segment, bytes counted, lines in them

    def append(self, kind: str, message: str = "", **data: object) -> None:
        """Adds one event; it is whole or not there. Raises `StoreError`."""
        line: dict[str, Any] = {"at": round(time.time(), 3), "kind": kind}
        if message:
            line["message"] = message
        if data:
            line["data"] = data
        text = (
            json.dumps(masked(line, self._secrets), default=str, separators=(",", ":")).encode("ascii")
            + b"\n"
        )
        if self._store.is_local:
            self._append_to_file(text)
        else:
            self._put_segment(text)

    def read(self, after: str | None = None) -> Iterator[Event]:
        """Every whole event after the cursor of an `Event` (None for all). Damaged lines are left out."""
        first, offset = _cursor(after or START)
        for segment in self._segments():
            if segment < first:
                continue
            start = offset if segment == first else 0
            try:
                data = self._store.read(self._key(segment), start)
            except (NotFound, StoreError):
                continue  # gone, or no file any more
            for line in data.splitlines(keepends=True):
                if not line.endswith(b"\n"):
                    break  # still being written, or cut by a crash: not an event yet
                start += len(line)
                event = _parse(line, f"{segment:06d}:{start}")
                if event:
                    yield event

    def _append_to_file(self, text: bytes) -> None:
        folder = self._store.local_path(self._prefix)
        assert folder is not None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            segment = self._segments()[-1] if self._segments() else 1
            if self._is_full(folder / _name(segment), segment):
                segment += 1
            descriptor = os.open(folder / _name(segment), os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o666)
            try:
                end = os.fstat(descriptor).st_size
                if end and os.pread(descriptor, 1, end - 1) != b"\n":
                    text = b"\n" + text  # the last writer died in the middle of its line
                write_all(descriptor, text)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise StoreError(f"The event could not be written to {folder}: {advice(error)}") from error

    def _is_full(self, path: Path, segment: int) -> bool:
        if not path.exists():
            return False
        counted, position, lines = self._counted
        if counted != segment:
            position, lines = 0, 0
        with os.fdopen(open_plain(str(path)), "rb") as stream:
            stream.seek(position)
            fresh = stream.read(SEGMENT_BYTES + 1)
        position, lines = position + len(fresh), lines + fresh.count(b"\n")
        self._counted = (segment, position, lines)
        return position >= SEGMENT_BYTES or lines >= SEGMENT_LINES

    def _put_segment(self, text: bytes) -> None:
        segment = self._counted[0] or max(self._segments(), default=0)
        while True:
            segment += 1
            if self._store.create(self._key(segment), text):
                self._counted = (segment, 0, 0)
                return

    def _segments(self) -> list[int]:
        names = self._store.children(self._prefix)
        return sorted(int(name[:-6]) for name in names if _SEGMENT.match(name))

    def _key(self, segment: int) -> str:
        return f"{self._prefix}/{_name(segment)}"


def _name(segment: int) -> str:
    return f"{segment:06d}.jsonl"


def _cursor(text: str) -> tuple[int, int]:
    segment, _, offset = text.partition(":")
    if not (segment.isdigit() and offset.isdigit()):
        raise StoreError(f"{text!r} is not a cursor; take it from an event, or give none to read all")
    return int(segment), int(offset)


def _parse(line: bytes, cursor: str) -> Event | None:
    value = object_or_none(line)
    try:
        return None if value is None else Event(**fields_of(Event, {**value, "cursor": cursor}, "an event"))
    except DamagedDocument:
        return None
