"""The files of an attempt, wherever they are: its folder on this machine first, then its store."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from ..agent.beneath import find_beneath
from ..record.attempt import Attempt
from ..record.files import OURS


@dataclass(frozen=True)
class Listed:
    """A file of an attempt: POSIX path relative to the attempt, size in bytes."""

    path: str
    size: int


def names(attempt: Attempt, folder: str) -> list[str]:
    """The names directly under a folder of the attempt, of this machine's copy and of the store's, sorted."""
    found = set(attempt.store.children(f"{attempt.prefix}/{folder}"))
    local = attempt.folder / folder
    if local.is_dir():
        found.update(name for name in os.listdir(local) if not name.startswith(OURS))
    return sorted(found)


def listing(attempt: Attempt, folder: str) -> list[Listed]:
    """Every file below a folder of the attempt, sorted; links to other files of it count, those to folders are not followed."""
    skip = len(attempt.prefix) + 1
    found = {stored.key[skip:]: stored.size for stored in attempt.store.list(f"{attempt.prefix}/{folder}")}
    if not attempt.store.is_local:
        found.update(_local(attempt.folder, folder))
    return [Listed(path, size) for path, size in sorted(found.items())]


def _local(root: Path, folder: str) -> dict[str, int]:
    found = {}
    for base, _, file_names in os.walk(root / folder):
        for name in file_names:
            if name.startswith(OURS):
                continue
            path = Path(base, name).relative_to(root).as_posix()
            try:
                at = os.lstat(root / path)
                if stat.S_ISLNK(at.st_mode):
                    at = find_beneath(str(root), path)[1]
            except OSError:
                continue  # it went away meanwhile, or leads out or nowhere
            if stat.S_ISREG(at.st_mode):
                found[path] = at.st_size
    return found
