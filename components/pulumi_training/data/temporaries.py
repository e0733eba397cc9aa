"""Files on the way to their place: named apart, no data to anybody, and taken away where a kill left them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_PREFIX = ".~training-"
_LEFT_SECONDS = 3600.0
"""What did not grow for so long is nobody's any more."""


def temporary_beside(target: Path) -> Path:
    """A name that nobody else uses, in the folder of `target`."""
    return target.parent / f"{_PREFIX}{os.getpid()}-{os.urandom(6).hex()}"


def is_temporary(name: str) -> bool:
    """Whether a file of this name is on its way, or was left there."""
    return name.startswith(_PREFIX)


def sweep(folders: Iterable[Path], *, seconds: float = _LEFT_SECONDS) -> None:
    """Takes away what was left directly in the folders, and did not change for so many seconds."""
    now = time.time()
    for folder in folders:
        with suppress(OSError):  # it is for tidiness only
            for entry in os.scandir(folder):
                if is_temporary(entry.name) and now - entry.stat(follow_symlinks=False).st_mtime >= seconds:
                    os.unlink(entry.path)
