"""The file that tracebacks go to: they help a maintainer, and are noise in a user's terminal."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Final

MAX_BYTES: Final = 1 << 20
"""Size at which a day's file is put aside as `plugin-<date>.1.log`."""

KEPT_FILES: Final = 10


def append(text: str) -> Path | None:
    """Adds `text` to today's log and returns the file, or None where no folder can be written."""
    for folder in (_user_folder(), Path(tempfile.gettempdir()) / f"pulumi-training-{os.getuid()}"):
        try:
            return _append(folder, text)
        except OSError:
            continue
    return None


def _user_folder() -> Path:
    import platformdirs

    return Path(platformdirs.user_log_dir("pulumi-training", appauthor=False))


def _append(folder: Path, text: str) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = folder / f"plugin-{time.strftime('%Y-%m-%d')}.log"
    if file.exists() and file.stat().st_size >= MAX_BYTES:
        file.replace(file.with_suffix(".1.log"))
    head = f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} [{os.getpid()}]"
    raw = f"{head}\n{text.rstrip()}\n\n".encode("utf-8", "replace")
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, raw[:MAX_BYTES])
    finally:
        os.close(descriptor)
    _forget_old(folder)
    return file


def _forget_old(folder: Path) -> None:
    # Names hold the date, so their order is the order of time.
    for file in sorted(folder.glob("plugin-*.log"), reverse=True)[KEPT_FILES:]:
        file.unlink(missing_ok=True)
