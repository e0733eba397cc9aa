"""Brings the staging folder of an attempt to its remote store: what changed, once, and on after a kill."""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..agent.beneath import find_beneath
from ..agent.facts import ROOM
from ..spec.document import DamagedDocument, Shape, fitting, value_or_none
from ..spec.errors import PermanentError, TransientError
from ..spec.outcome import Reason
from .files import OURS
from .store import StoreError

if TYPE_CHECKING:
    from .attempt import Attempt

_JOURNAL = f"{OURS}sync.jsonl"
_NOT_OURS_TO_SYNC = ("attempt.json", "manifest.json", "events/", ROOM)
"""Written to the store directly, and what only takes up room here."""
_COPIES = ("code", "code.part")
"""The source is archived, and its copy has data in it that is no part of the record."""
_THREADS = 4
_LINE: Shape = {"entry": tuple[str, int, int]}
_TRIES = 5
_pause = time.sleep


@dataclass(frozen=True)
class SyncReport:
    """What one sync brought over: files and bytes; files that vanished meanwhile are not counted."""

    files: int = 0
    bytes: int = 0


def sync(attempt: Attempt, *, outputs: bool, progress: Callable[[str], None] | None = None) -> SyncReport:
    """Uploads what changed in `attempt.folder` since it was last uploaded; nothing for a folder store.

    A journal beside the files remembers size and mtime of each upload as it ends, so a killed sync goes on
    where it was. Without `outputs`, one try: raises `TransientError` or `StoreError`, and the next call does
    it. With `outputs`, each file gets several tries, then `PermanentError(COLLECT_FAILED)`.
    """
    if attempt.store.is_local:
        return SyncReport()
    folder = attempt.folder
    journal = _Journal(folder / _JOURNAL)
    changed = [(path, at) for path, at in _files(folder, outputs) if not journal.has(path, at)]
    total, done, count = sum(at.st_size for _, at in changed), 0, 0
    tries = _TRIES if outputs else 1

    def bring(item: tuple[str, os.stat_result]) -> tuple[str, os.stat_result, bool]:
        path, at = item
        return path, at, _bring(attempt, path, tries)

    pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="sync")
    try:
        for path, at, was_there in pool.map(bring, changed):
            journal.add(path, at)
            if was_there:
                count, done = count + 1, done + at.st_size
            if progress:
                from ..identity.limits import readable
                from ..spec import text

                files = text.count(len(changed), "file")
                progress(f"collected {count} of {files}, {readable(done)} of {readable(total)}")
    except (TransientError, StoreError) as error:
        if not outputs:
            raise
        raise PermanentError(Reason.COLLECT_FAILED, f"The outputs stay in {folder}: {error}") from error
    finally:
        pool.shutdown(cancel_futures=True)
        journal.close()
    return SyncReport(count, done)


def _bring(attempt: Attempt, path: str, tries: int) -> bool:
    root = str(attempt.folder)
    for left in range(tries - 1, -1, -1):
        try:
            # A link counts where it leads to another file of the attempt; that one's own name is opened.
            real, at = find_beneath(root, path)
        except OSError:
            return False
        if not stat.S_ISREG(at.st_mode):
            return False
        try:
            attempt.store.upload(attempt.folder / real, f"{attempt.prefix}/{path}")
            return True
        except TransientError as error:
            if not left:
                raise
            _pause(min(error.retry_after, 0.5 * 2 ** (tries - left)))
    return False


def _files(folder: Path, outputs: bool) -> list[tuple[str, os.stat_result]]:
    """Facts and logs first, outputs last: what tells why comes over even if the rest does not."""
    found = []
    for base, folders, names in os.walk(folder):
        prefix = os.path.relpath(base, folder)
        aside = () if prefix != "." else _COPIES if outputs else (*_COPIES, "outputs")
        folders[:] = sorted(n for n in folders if not n.startswith(OURS) and n not in aside)
        for name in sorted(names):
            path = name if prefix == "." else f"{prefix}/{name}"
            if name.startswith(OURS) or path.startswith(_NOT_OURS_TO_SYNC):
                continue
            try:
                at = os.lstat(os.path.join(base, name))
                if stat.S_ISLNK(at.st_mode):
                    at = find_beneath(str(folder), path)[1]
            except OSError:
                continue  # it went away meanwhile, or leads out or nowhere
            if stat.S_ISREG(at.st_mode):
                found.append((path, at))
    return sorted(found, key=lambda item: (item[0].startswith("outputs/"), item[0]))


class _Journal:
    """`path -> (size, mtime_ns)` of what is in the store; one line appended per upload."""

    def __init__(self, path: Path) -> None:
        self._known: dict[str, tuple[int, int]] = {}
        lines = 0
        if path.exists():
            for line in path.read_bytes().splitlines():
                lines += 1
                try:
                    entry = fitting(_LINE, {"entry": value_or_none(line)}, "")["entry"]
                except DamagedDocument:
                    continue  # cut by a kill: that file goes over once more
                self._known[entry[0]] = entry[1:]
        if lines > 1000 + 4 * len(self._known):
            path.unlink()
            lines = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._stream = path.open("ab")
        self._stream.write(b"\n" if lines else b"".join(self._line(n, *k) for n, k in self._known.items()))

    def has(self, path: str, at: os.stat_result) -> bool:
        return self._known.get(path) == (at.st_size, at.st_mtime_ns)

    def add(self, path: str, at: os.stat_result) -> None:
        self._known[path] = (at.st_size, at.st_mtime_ns)
        self._stream.write(self._line(path, at.st_size, at.st_mtime_ns))
        self._stream.flush()

    def close(self) -> None:
        self._stream.close()

    @staticmethod
    def _line(path: str, size: int, mtime_ns: int) -> bytes:
        return json.dumps([path, size, mtime_ns]).encode("ascii") + b"\n"
