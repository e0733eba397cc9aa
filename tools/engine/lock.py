"""One builder at a time, across processes and checkouts."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

POLL_SECONDS = 0.2


@contextmanager
def held(file: Path, purpose: str, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock for a block; a second caller waits and says who holds it, for what and for how long.

    The kernel drops the lock when its holder dies, so a killed build blocks nobody.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+", encoding="utf-8") as handle:
        _acquire(handle.fileno(), file, say)
        handle.seek(0)
        handle.truncate()
        handle.write(f"process {os.getpid()}: {purpose}")
        handle.flush()
        try:
            yield
        finally:
            handle.seek(0)
            handle.truncate()
            handle.flush()
            fcntl.flock(handle, fcntl.LOCK_UN)


def _acquire(descriptor: int, file: Path, say: Callable[[str], None]) -> None:
    started = time.monotonic()
    announced = -10.0
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            waited = time.monotonic() - started
        if waited - announced >= 10.0:
            holder = file.read_text(encoding="utf-8").strip() or "another process"
            say(f"waiting for {holder} ({waited:.0f} s)")
            announced = waited
        time.sleep(POLL_SECONDS)
