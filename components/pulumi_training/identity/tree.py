"""The digest of a source tree: relative paths, sizes, executable bits and contents; nothing else.

No mtime, owner or absolute path, so that `touch`, a clone and a moved folder change nothing. Which files
count is in `ignore`, what becomes of links and special files in `walk`.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ..spec.errors import Problem, SpecError
from .flight import Flights
from .hashing import digest_files
from .ignore import IgnoreRules, load_rules
from .limits import TreeLimits, over_limits
from .stat_cache import Known, Snapshot, StatCache, known
from .walk import Walked, printable, walk

__all__ = ["FileEntry", "Tree", "TreeLimits", "read_tree", "tree_digest"]

_HEADER = b"training tree 1\n"
_EXECUTABLE = 0o100
_NAMED = 5
_TRIES = 3
_WAY_OUT = "or name it in .amlignore"


class FileEntry(NamedTuple):
    """One file: relative posix path (surrogates for bytes that are not UTF-8), bytes, owner's x bit, hex sha256.

    A named tuple: twenty thousand frozen dataclasses take four times as long to make.
    """

    path: str
    size: int
    executable: bool
    sha256: str


@dataclass(frozen=True)
class Tree:
    """A source tree as it was at one time: `root` is absolute, `entries` are sorted by path."""

    root: Path
    entries: tuple[FileEntry, ...]
    digest: str

    def manifest(self) -> dict[str, str]:
        """path -> sha256 of the content."""
        return {entry.path: entry.sha256 for entry in self.entries}

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(entry.size for entry in self.entries)


_flights: Flights[Tree] = Flights()


def read_tree(
    root: Path | str,
    *,
    limits: TreeLimits | None = None,
    cache: StatCache | None = None,
    max_age: float = 0.0,
) -> Tree:
    """Reads the source directory `root`; files that `cache` knows unchanged are not opened.

    Calls in several threads share a scan that started after they were made, or up to `max_age` seconds
    before: 0, the default, never shows a state older than the call; 0.25 serves many jobs over one tree.
    Raises SpecError (path `sourceDirectory`): no such folder (names near ones), over `limits` (names the five
    largest), files that cannot be read or copied, links that lead out.
    """
    limits = limits or TreeLimits()
    place = existing_folder(root)
    key = (place, limits, cache)
    return _flights.run(key, lambda: _read(place, limits, cache), max_age=max_age)


def tree_digest(entries: Iterable[FileEntry]) -> str:
    """`sha256:<hex>` over `entries`, which are sorted by path."""
    # No path holds a NUL, so no two trees give the same bytes.
    lines = "".join([f"{path}\0{size}\0{'x' if run else '-'}\0{sha}\n" for path, size, run, sha in entries])
    return "sha256:" + hashlib.sha256(_HEADER + lines.encode("utf-8", "surrogateescape")).hexdigest()


def existing_folder(root: Path | str) -> str:
    """The real, absolute path of the folder `root`. Raises SpecError (path `sourceDirectory`)."""
    place = os.path.abspath(os.path.expanduser(root))
    if os.path.isdir(place):
        return os.path.realpath(place)
    shown = printable(str(root))
    if os.path.lexists(place):
        what = (
            "is a link that leads nowhere" if os.path.islink(place) else "is a file; give the folder it is in"
        )
        raise SpecError(Problem("sourceDirectory", f"{shown} {what}"))
    parent, missing = os.path.split(place)
    while parent != os.path.dirname(parent) and not os.path.isdir(parent):
        parent, missing = os.path.split(parent)
    raise SpecError(
        Problem(
            "sourceDirectory",
            f"{shown} does not exist: {printable(parent)} has no {printable(missing)}. {_near(parent, missing)}",
        )
    )


def scan(root: str, limits: TreeLimits, remembered: Snapshot | None) -> tuple[IgnoreRules, Walked]:
    """Walks `root` and refuses what cannot be a source tree. Reads no content. Raises SpecError."""
    rules = load_rules(root)
    found = walk(root, rules, remembered, max_files=limits.max_files)
    problems = found.problems[:_NAMED]
    if len(found.problems) > _NAMED:
        problems.append(Problem("sourceDirectory", f"and {len(found.problems) - _NAMED} more like these"))
    over = over_limits(found.files, limits, is_whole=found.is_whole)
    problems += [over] if over else []
    if problems:
        raise SpecError(problems)
    found.files.sort(key=lambda file: file[0])
    return rules, found


def _read(root: str, limits: TreeLimits, cache: StatCache | None) -> Tree:
    remembered = cache.load(root) if cache else None
    scanned_at = time.time_ns()
    rules, found = scan(root, limits, remembered)
    snapshot = Snapshot(rules.digest, {}, found.left_out, found.folders)
    entries, was_read = _entries(
        root, found.files, remembered.files if remembered else {}, snapshot.files, scanned_at
    )
    if cache and (was_read or remembered is None or _differ(remembered, snapshot)):
        cache.save(root, snapshot)
    return Tree(Path(root), entries, tree_digest(entries))


def _entries(
    root: str,
    files: list[tuple[str, os.stat_result]],
    before: dict[str, Known],
    after: dict[str, Known],
    scanned_at: int,
) -> tuple[tuple[FileEntry, ...], bool]:
    """An entry for each file, by `before` or by reading it; fills `after`. Tells whether any was read."""
    changed: list[int] = []
    for index, (path, stat) in enumerate(files):
        entry = before.get(path)
        if entry is None or entry[:4] != (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino):
            changed.append(index)
        else:
            after[path] = entry
    gone: set[int] = set()
    if changed:
        gone = _read_changed(root, files, changed, after, scanned_at)
    entries = []
    for index, (path, stat) in enumerate(files):
        if index not in gone:
            entries.append(
                FileEntry(path, stat.st_size, bool(stat.st_mode & _EXECUTABLE), after[path][4].hex())
            )
    return tuple(entries), bool(changed)


def _read_changed(
    root: str,
    files: list[tuple[str, os.stat_result]],
    changed: list[int],
    after: dict[str, Known],
    scanned_at: int,
) -> set[int]:
    """Reads the files at `changed` until each holds still; gives the places of those that vanished."""
    gone: set[int] = set()
    problems: list[Problem] = []
    for _ in range(_TRIES):
        moving = []
        digests = digest_files([f"{root}/{files[index][0]}" for index in changed])
        for index, digested in zip(changed, digests, strict=True):
            path, stat = files[index]
            if digested.error is not None:
                if isinstance(digested.error, FileNotFoundError):
                    gone.add(index)
                else:
                    problems.append(
                        Problem(
                            "sourceDirectory", f"{printable(path)} cannot be read: {digested.error.strerror}"
                        )
                    )
                continue
            now = digested.stat or stat
            if (now.st_mtime_ns, now.st_size, now.st_ctime_ns, now.st_ino) != (
                stat.st_mtime_ns, stat.st_size, stat.st_ctime_ns, stat.st_ino
            ):  # fmt: skip
                moving.append(index)
                files[index] = (path, now)
            after[path] = known(now, digested.sha256, scanned_at)
        changed = moving
        if not changed:
            break
    problems += [
        Problem(
            "sourceDirectory", f"{printable(files[index][0])} is being written to; let it rest, {_WAY_OUT}"
        )
        for index in changed
    ]
    if problems:
        raise SpecError(problems[:_NAMED])
    return gone


def _differ(old: Snapshot, new: Snapshot) -> bool:
    return (
        old.rules_digest != new.rules_digest
        or len(old.files) != len(new.files)
        or old.left_out != new.left_out
        or old.folders != new.folders
    )


def _near(parent: str, missing: str) -> str:
    try:
        with os.scandir(parent) as listing:
            folders = [entry.name for entry in listing if entry.is_dir()]
    except OSError:
        folders = []
    near = near_names(missing, folders)
    return f"Did you mean {near}?" if near else "Paths are relative to the program's folder."


def near_names(wanted: str, names: Iterable[str]) -> str:
    """Up to three of `names` that look like `wanted`, for a message; empty where none does."""
    by_lower = {name.lower(): name for name in names}
    close = difflib.get_close_matches(wanted.lower(), by_lower, n=3, cutoff=0.5)
    return " or ".join(printable(by_lower[name]) for name in close)
