"""Data in a folder: which files, and the digest of each, without reading what did not change."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

from ..identity.hashing import digest_files
from ..identity.stat_cache import Snapshot, StatCache, known, stamps
from ..spec.errors import Problem, SpecError
from .temporaries import is_temporary

_NO_RULES = "00" * 32
_NAMED = 3


def files_of(root: Path) -> list[tuple[str, os.stat_result]]:
    """Every file below `root` by POSIX path, sorted; one with an empty path where `root` is a file.

    Links are followed, each folder once, so a loop ends. Pipes, sockets and devices are no data. Raises
    `SpecError` for a folder that cannot be read.
    """
    if root.is_file():
        return [("", root.stat())]
    found: list[tuple[str, os.stat_result]] = []
    problems: list[Problem] = []

    def unreadable(error: OSError) -> None:
        problems.append(Problem("inputs", f"{error.filename} cannot be read: {error.strerror}"))

    seen: set[tuple[int, int]] = set()
    for folder, folders, names in os.walk(root, followlinks=True, onerror=unreadable):
        at = os.stat(folder)
        if (at.st_dev, at.st_ino) in seen:
            folders.clear()
            continue
        seen.add((at.st_dev, at.st_ino))
        folders.sort()
        prefix = os.path.relpath(folder, root)
        for name in names:
            if is_temporary(name):
                continue
            try:
                at = os.stat(os.path.join(folder, name))
            except OSError:
                continue  # a link that leads nowhere
            if stat.S_ISREG(at.st_mode):
                found.append((name if prefix == "." else f"{prefix}/{name}", at))
    if problems:
        raise SpecError(problems[:_NAMED])
    return sorted(found, key=lambda item: item[0])


def digests_of(
    root: Path, files: list[tuple[str, os.stat_result]], cache: StatCache | None = None
) -> dict[str, bytes]:
    """sha256 by path of `files` below `root`; a file whose stamps are remembered is not read.

    Raises `SpecError` naming the files that cannot be read.
    """
    store = cache or default_cache()
    remembered = store.load(str(root))
    old = remembered.files if remembered else {}
    scanned_at = time.time_ns()
    snapshot = Snapshot(_NO_RULES)
    fresh = []
    for path, at in files:
        entry = old.get(path)
        if entry and entry[:-1] == stamps(at):
            snapshot.files[path] = entry
        else:
            fresh.append((path, at.st_size))
    problems = []
    results = digest_files([(str(root / path), size) for path, size in fresh])
    for (path, _), digested in zip(fresh, results, strict=True):
        if digested.seen is None:
            why = digested.error.strerror if digested.error else "gone"
            problems.append(Problem("inputs", f"{root / path} cannot be read: {why}"))
            continue
        snapshot.files[path] = known(digested.seen, digested.sha256, scanned_at)
    if problems:
        raise SpecError(problems[:_NAMED])
    if fresh or len(old) != len(snapshot.files):
        store.save(str(root), snapshot)
    return {path: entry[-1] for path, entry in snapshot.files.items()}


def default_cache() -> StatCache:
    """The cache of data folders, beside the one of source trees."""
    from ..identity.caches import cache_folder

    return StatCache(cache_folder("data-stats"))
