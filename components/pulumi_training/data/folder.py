"""Data in a folder: which files, and the digest of each, without reading what did not change."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..agent.beneath import KINDS, LeadsOut, attempt_above, find_beneath, open_beneath, shown
from ..identity.hashing import digest_files, open_file
from ..identity.stat_cache import Snapshot, StatCache, known, stamps
from ..spec.errors import Problem, SpecError
from .temporaries import is_temporary

_NO_RULES = "00" * 32
_NAMED = 3


def files_of(root: Path, left: dict[str, str] | None = None) -> list[tuple[str, os.stat_result]]:
    """Every file below `root` by POSIX path, sorted; one with an empty path where `root` is a file.

    Links are followed, each folder once, so a loop ends; what a run wrote is followed only inside of its attempt's
    folder, for a script may have made a link to anything of this machine's. Pipes, sockets and devices are no data.
    `left` is told what a run wrote and is left out, and why ("it ...").
    Raises `SpecError` for a folder that cannot be read.
    """
    run = _Run.of(root)
    if run is not None:
        return run.files({} if left is None else left)
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
    results = digest_files(fresh, opener(root))
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


def opener(root: Path) -> Callable[[str], int]:
    """What answers a descriptor to read one of the files that `files_of` listed, or raises OSError."""
    run = _Run.of(root)
    if run is not None:
        return lambda path: open_beneath(run.attempt, run.below(path))
    return lambda path: open_file(str(root / path) if path else str(root))


def places(root: Path) -> Callable[[str], Path]:
    """What answers the file itself of one that `files_of` listed, for what opens by name, or raises OSError."""
    run = _Run.of(root)
    if run is not None:
        return lambda path: Path(run.attempt, find_beneath(run.attempt, run.below(path))[0])
    return lambda path: root / path if path else root


@dataclass(frozen=True)
class _Run:
    """Data that a run wrote: the attempt's folder, and the path of the data in it."""

    attempt: str
    root: str

    @classmethod
    def of(cls, root: Path) -> _Run | None:
        for place in (os.path.abspath(root), os.path.realpath(root)):
            attempt = attempt_above(place)
            if attempt is not None:
                return cls(attempt, os.path.relpath(place, attempt))
        return None

    def below(self, path: str) -> str:
        return f"{self.root}/{path}" if path else self.root

    def files(self, left: dict[str, str]) -> list[tuple[str, os.stat_result]]:
        found: list[tuple[str, os.stat_result]] = []
        problems: list[Problem] = []
        seen: set[tuple[int, int]] = set()
        waiting = [""]
        while waiting:
            path = waiting.pop()
            real, at, why = self._look(path)
            if why:
                left[path] = why
            elif not stat.S_ISDIR(at.st_mode):
                found.append((path, at))
            elif (at.st_dev, at.st_ino) not in seen:
                seen.add((at.st_dev, at.st_ino))
                try:
                    names = sorted(os.listdir(f"{self.attempt}/{real}"), reverse=True)
                except OSError as error:
                    problems.append(
                        Problem("inputs", f"{self.attempt}/{real} cannot be read: {error.strerror}")
                    )
                    continue
                waiting += [f"{path}/{name}" if path else name for name in names if not is_temporary(name)]
        if problems:
            raise SpecError(problems[:_NAMED])
        return sorted(found, key=lambda item: item[0])

    def _look(self, path: str) -> tuple[str, os.stat_result, str]:
        """The place of a path in the end, its state, and why it is no data."""
        nothing = os.stat_result((0,) * 10)
        try:
            real, at = find_beneath(self.attempt, self.below(path))
        except LeadsOut as error:
            return "", nothing, f"is a link to {shown(error.target)}, outside the run's own folder"
        except OSError as error:
            return "", nothing, f"cannot be read: {error.strerror}"
        if stat.S_ISDIR(at.st_mode) or stat.S_ISREG(at.st_mode):
            return real, at, ""
        return "", nothing, f"is {KINDS.get(stat.S_IFMT(at.st_mode), 'no file')}"


def default_cache() -> StatCache:
    """The cache of data folders, beside the one of source trees."""
    from ..identity.caches import cache_folder

    return StatCache(cache_folder("data-stats"))
