"""The files that tracebacks go to: they help a maintainer, and are noise in a user's terminal."""

from __future__ import annotations

import os
import stat
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Final

MAX_BYTES: Final = 1 << 20
"""Size at which a day's file is put aside as `plugin-<date>.1.log`."""

KEPT_FILES: Final = 10
_OURS: Final = os.O_NOFOLLOW | os.O_CLOEXEC


def append(text: str, kind: str = "plugin") -> Path | None:
    """Adds `text` to today's log of a kind of process and returns the file, or None where no folder can be written."""
    for folder in (_user_folder, _temporary_folder):
        try:
            return _append(folder(), text, kind)
        except OSError:
            continue
    return None


def _user_folder() -> Path:
    import platformdirs

    folder = Path(platformdirs.user_log_dir("pulumi-training", appauthor=False))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


@cache
def _temporary_folder() -> Path:
    """A folder of this user's in the shared one for temporary files.

    Others may make things there under any name: what is taken is a folder, no link, of this user, and for this user
    alone; else a new one whose name nobody knows beforehand. Raises `OSError`.
    """
    folder = Path(tempfile.gettempdir()) / f"pulumi-training-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        found = folder.lstat()
        is_private = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
        if not is_private or stat.S_IMODE(found.st_mode) & 0o077:
            return Path(tempfile.mkdtemp(prefix="pulumi-training-"))
    return folder


def _append(folder: Path, text: str, kind: str) -> Path:
    name = f"{kind}-{time.strftime('%Y-%m-%d')}"
    head = f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} [{os.getpid()}]"
    raw = f"{head}\n{text.rstrip()}\n\n".encode("utf-8", "replace")
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if _size(f"{name}.log", place) >= MAX_BYTES:
            os.replace(f"{name}.log", f"{name}.1.log", src_dir_fd=place, dst_dir_fd=place)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | _OURS
        descriptor = os.open(f"{name}.log", flags, 0o600, dir_fd=place)
        try:
            os.write(descriptor, raw[:MAX_BYTES])
        finally:
            os.close(descriptor)
    finally:
        os.close(place)
    _forget_old(folder, kind)
    return folder / f"{name}.log"


def _size(name: str, place: int) -> int:
    try:
        return os.stat(name, dir_fd=place, follow_symlinks=False).st_size
    except FileNotFoundError:
        return 0


def _forget_old(folder: Path, kind: str) -> None:
    # Names hold the date, so their order is the order of time.
    for file in sorted(folder.glob(f"{kind}-*.log"), reverse=True)[KEPT_FILES:]:
        file.unlink(missing_ok=True)
