"""What a transfer has done, so that the next one goes on from there. Losing it costs time, nothing else."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from typing import TextIO

from ..identity.caches import cache_folder
from ..spec.document import DamagedDocument, Shape, fitting, value_or_none

_LINE: Shape = {"entry": tuple[str, int, int, str]}


class Journal:
    """`path -> (size, mtime_ns, mark)` of one kind of transfer between two places, a line per file."""

    def __init__(self, kind: str, source: str, destination: str) -> None:
        name = hashlib.sha256(
            f"{kind}\0{source}\0{destination}".encode("utf-8", "surrogateescape")
        ).hexdigest()
        self._path = cache_folder("transfers") / f"{name[:32]}.jsonl"
        self._known: dict[str, tuple[int, int, str]] = {}
        self._stream: TextIO | None = None
        self._lock = threading.Lock()
        try:
            lines = self._path.read_bytes().splitlines()
        except OSError:
            lines = []
        for line in lines:
            try:
                path, *known = fitting(_LINE, {"entry": value_or_none(line)}, "")["entry"]
            except DamagedDocument:
                continue  # cut by a kill: that file goes over once more
            self._known[path] = (known[0], known[1], known[2])

    def has(self, path: str, at: os.stat_result, mark: str) -> bool:
        """Whether the local file with the stamps of `at` is the object that had `mark`."""
        return bool(mark) and self._known.get(path) == (at.st_size, at.st_mtime_ns, mark)

    def add(self, path: str, at: os.stat_result, mark: str) -> None:
        """Remembers one file that came over whole."""
        with self._lock:
            self._known[path] = (at.st_size, at.st_mtime_ns, mark)
            if self._stream:
                print(json.dumps([path, at.st_size, at.st_mtime_ns, mark]), file=self._stream, flush=True)

    def __enter__(self) -> Journal:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._stream = self._path.open("a", encoding="ascii")
            print(file=self._stream)  # ends a line that a kill may have cut
        except OSError:
            self._stream = None  # without it the transfer works, and starts over if it is killed
        return self

    def __exit__(self, *_: object) -> None:
        if self._stream:
            self._stream.close()
            self._stream = None
