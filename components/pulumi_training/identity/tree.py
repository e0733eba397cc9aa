"""The digest of a source tree: relative paths, sizes, executable bits and contents; nothing else.

No mtime, owner or absolute path, so that `touch`, a clone and a moved folder change nothing. Which files
count is in `ignore`, what becomes of links and special files in `walk`.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from ..spec.errors import Problem, SpecError
from .flight import Flights
from .hashing import digest_files
from .ignore import IgnoreRules, load_rules
from .limits import TreeLimits, over_limits
from .rules import NEWEST
from .stat_cache import Known, Snapshot, Stamps, StatCache, known
from .walk import Walked, printable, walk

__all__ = ["FileEntry", "Tree", "TreeLimits", "read_tree", "tree_digest"]

_HEADER = b"training tree 1\n"
_EXECUTABLE = 0o100
_NAMED = 5
_TRIES = 3


class FileEntry(NamedTuple):
    """One file: relative posix path, bytes, the owner's executable bit, sha256 in hex digits.

    Bytes of a path that are not UTF-8 are surrogates in it.

    A named tuple: twenty thousand frozen dataclasses take four times as long to make.
    """

    path: str
    size: int
    executable: bool
    sha256: str


@dataclass(frozen=True)
class Tree:
    """A source tree as it was at one time: `root` is absolute, `entries` are sorted by path.

    `rules` is the version of the rules (`identity.rules`) that it was read under; `aside` is what these leave
    out and older ones would have let in.
    """

    root: Path
    entries: tuple[FileEntry, ...]
    digest: str
    rules: int = NEWEST
    aside: tuple[str, ...] = ()

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
    rules: int = NEWEST,
) -> Tree:
    """Reads the source directory `root` under a version of the rules; files that `cache` knows unchanged are not opened.

    Calls in several threads share a scan that started after they were made, or up to `max_age` seconds
    before: 0, the default, never shows a state older than the call; 0.25 serves many jobs over one tree.
    Raises SpecError (path `sourceDirectory`): no such folder (names near ones), over `limits` (names the five
    largest), files that cannot be read or copied, links that lead out.
    """
    limits = limits or TreeLimits()
    place = existing_folder(root)
    key = (place, limits, cache, rules)
    return _flights.run(key, lambda: _read(place, limits, cache, rules), max_age=max_age)


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
            f"{shown} does not exist: {printable(parent)} has no {printable(missing)}. "
            f"{_near(parent, missing)}",
        )
    )


def scan(
    root: str, limits: TreeLimits, remembered: Snapshot | None, version: int = NEWEST
) -> tuple[IgnoreRules, Walked]:
    """Walks `root` and refuses what cannot be a source tree. Reads no content. Raises SpecError."""
    rules = load_rules(root, version)
    found = walk(root, rules, remembered, max_files=limits.max_files)
    problems = _few(found.problems)
    over = over_limits(found.files, limits, is_whole=found.is_whole)
    problems += [over] if over else []
    if problems:
        raise SpecError(problems)
    found.files.sort(key=itemgetter(0))
    return rules, found


def _read(root: str, limits: TreeLimits, cache: StatCache | None, version: int) -> Tree:
    # A cache for each version: read in turns under two, neither would find its own decisions again.
    remembered_as = root if version == NEWEST else f"{root}\0rules {version}"
    remembered = cache.load(remembered_as) if cache else None
    scanned_at = time.time_ns()
    rules, found = scan(root, limits, remembered, version)
    before = remembered.files if remembered else {}
    after: dict[str, Known] = {}
    entries, changed = [], []
    make = FileEntry._make
    for path, seen in found.files:
        entry = before.get(path)
        if entry is None or entry[:5] != seen:
            changed.append((path, seen))
        else:
            after[path] = entry
            entries.append(make((path, seen[0], seen[4] & _EXECUTABLE != 0, entry[5].hex())))
    if changed:
        for path, seen, sha256 in _read_changed(root, changed):
            after[path] = known(seen, sha256, scanned_at)
            entries.append(FileEntry(path, seen[0], seen[4] & _EXECUTABLE != 0, sha256.hex()))
        entries.sort(key=itemgetter(0))
    snapshot = Snapshot(rules.digest, after, found.left_out, found.folders)
    if cache and (changed or remembered is None or _differ(remembered, snapshot)):
        cache.save(remembered_as, snapshot)
    return Tree(Path(root), tuple(entries), tree_digest(entries), version, tuple(sorted(found.aside)))


def _read_changed(root: str, changed: list[tuple[str, Stamps]]) -> Iterator[tuple[str, Stamps, bytes]]:
    """Reads the files `changed` until each holds still; those that vanished are not in the answer."""
    problems: list[Problem] = []
    for _ in range(_TRIES):
        moving = []
        digests = digest_files([(f"{root}/{path}", seen[0]) for path, seen in changed])
        for (path, seen), digested in zip(changed, digests, strict=True):
            if digested.seen == seen:
                yield path, seen, digested.sha256
            elif digested.seen is not None:
                moving.append((path, digested.seen))
            elif digested.error is not None and not isinstance(digested.error, FileNotFoundError):
                problems.append(_problem(path, f"cannot be read: {digested.error.strerror}"))
        changed = moving
        if not changed:
            break
    problems += [
        _problem(path, "is being written to; let it rest, or name it in .amlignore") for path, _ in changed
    ]
    if problems:
        raise SpecError(_few(problems))


def _few(problems: list[Problem]) -> list[Problem]:
    more = len(problems) - _NAMED
    return problems[:_NAMED] + (
        [Problem("sourceDirectory", f"and {more} more like these")] if more > 0 else []
    )


def _problem(path: str, message: str) -> Problem:
    return Problem("sourceDirectory", f"{printable(path)} {message}")


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
