"""The files of an attempt, wherever they are: its folder on this machine first, then its store."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

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
    """Every file below a folder of the attempt, sorted; links to files count, links to folders are not followed."""
    skip = len(attempt.prefix) + 1
    found = {stored.key[skip:]: stored.size for stored in attempt.store.list(f"{attempt.prefix}/{folder}")}
    if not attempt.store.is_local:
        found.update(_local(attempt.folder, folder))
    return [Listed(path, size) for path, size in sorted(found.items())]


def _local(root: Path, folder: str) -> dict[str, int]:
    found = {}
    for base, _, file_names in os.walk(root / folder):
        for name in file_names:
            place = Path(base, name)
            if not name.startswith(OURS) and place.is_file():
                found[place.relative_to(root).as_posix()] = place.stat().st_size
    return found
