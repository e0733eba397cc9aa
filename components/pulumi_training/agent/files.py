"""`agent files`: what a run has written, one JSON line for each file, for whoever brings it home."""

from __future__ import annotations

import os
import stat
import sys

from .facts import open_plain
from .plainjson import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_BLOCK = 1 << 20


def list_files(folder: str, parts: list[str], *, digests: bool) -> int:
    """Prints path, size, mtime in ns and, with `digests`, sha256 of every file and link in parts of a folder."""
    for path in _walk(folder, parts):
        full = f"{folder}/{path}"
        try:
            found = os.stat(full, follow_symlinks=False)
            line = {"path": path, "size": found.st_size, "mtime_ns": found.st_mtime_ns}
            if stat.S_ISLNK(found.st_mode):
                line["link"] = os.readlink(full)
            elif not stat.S_ISREG(found.st_mode):
                continue
            elif digests:
                line["sha256"] = _digest(full)
        except OSError:
            continue  # it went away meanwhile
        sys.stdout.write(dumps(line) + "\n")
    return 0


def _walk(folder: str, parts: list[str]) -> Iterator[str]:
    waiting = sorted(parts, reverse=True)
    while waiting:
        part = waiting.pop()
        try:
            entries = sorted(os.scandir(f"{folder}/{part}"), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            path = f"{part}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                waiting.append(path)
            else:
                yield path


def _digest(path: str) -> str:
    import hashlib

    digest = hashlib.sha256()
    with os.fdopen(open_plain(path), "rb") as stream:
        while True:
            block = stream.read(_BLOCK)
            if not block:
                return digest.hexdigest()
            digest.update(block)
