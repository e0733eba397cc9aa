"""When a rank last gave a sign of life: a log byte, a metric, or a write under `outputs/` or `logs/`.

CPU time proves nothing: a rank that waits in a collective spins.
"""

from __future__ import annotations

import os
import time

WALK_ENTRIES = 5_000
"""How many entries of `outputs/` and `logs/` one look may cost."""
WALK_EVERY = 5.0
"""Seconds between two looks into the folders."""


class Activity:
    """Watches one rank's files. `walks` is for one rank per node only: the folders are shared."""

    def __init__(self, log: str, metrics: str, folders: tuple[str, ...], *, walks: bool) -> None:
        self._files = {log: -1, metrics: -1}
        self._folders = folders if walks else ()
        self._newest = time.time()
        self._next_walk = 0.0
        self.last = self._newest

    def look(self) -> float:
        """Epoch seconds of the last sign of life; costs two stats, and a bounded walk every few seconds."""
        now = time.time()
        for path, known in self._files.items():
            try:
                size = os.stat(path).st_size
            except OSError:
                continue
            if size != known:
                self._files[path] = size
                if size or known >= 0:
                    self.last = now
        if self._folders and now >= self._next_walk:
            self._next_walk = now + WALK_EVERY
            newest = newest_write(self._folders)
            if newest > self._newest:
                self._newest = newest
                self.last = max(self.last, min(newest, now))
        return self.last


def newest_write(folders: tuple[str, ...], limit: int = WALK_ENTRIES) -> float:
    """The newest modification time under `folders`, of at most `limit` entries; 0 where there is none."""
    newest, left, waiting = 0.0, limit, list(folders)
    while waiting and left > 0:
        try:
            entries = os.scandir(waiting.pop())
        except OSError:
            continue
        with entries:
            for entry in entries:
                left -= 1
                try:
                    newest = max(newest, entry.stat(follow_symlinks=False).st_mtime)
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                except OSError:
                    continue
                if left <= 0:
                    break
    return newest
