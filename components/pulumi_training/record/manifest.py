"""The manifest of a run's outputs: every file with its size and sha256, and one digest over all."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..agent.beneath import KINDS, LeadsOut, find_beneath, open_beneath, shown
from ..spec.document import Count, DamagedDocument, Shape, check_version, fields_of, fitting
from .documents import ADVICE
from .files import OURS

if TYPE_CHECKING:
    from ..identity.stat_cache import Stamps

_VERSION = 1
_SHAPE: Shape = {"files": list[dict[str, Any]], "skipped": dict[str, str], "digest": str}
_PART = 256
_TRIES = 3
_NAMED = 3
LINKED_FOLDER = "is a link to a folder"
"""Of the outputs themselves: what is in it is kept under its own name."""


@dataclass(frozen=True)
class ManifestEntry:
    """A file: POSIX path relative to `outputs/`, size in bytes, sha256 in hex."""

    path: str
    size: Count
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a run put out. `skipped` maps what is no plain file, or could not be read, to the reason.

    A reason goes on a sentence that begins with "it". What is no output has a path that begins with `../`.
    `digest` depends on paths, sizes and contents only; it is the same on every machine.
    """

    entries: tuple[ManifestEntry, ...]
    skipped: dict[str, str]

    @property
    def digest(self) -> str:
        """`sha256:<hex>` over the entries, which are sorted by path."""
        lines = "".join(f"{e.path}\0{e.size}\0{e.sha256}\n" for e in self.entries)
        return "sha256:" + hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()

    @property
    def size(self) -> int:
        """Bytes of all entries."""
        return sum(entry.size for entry in self.entries)

    @property
    def warning(self) -> str:
        """What was left out and why, in words for a person; empty where nothing was lost."""
        lost = [(path, why) for path, why in self.skipped.items() if why != LINKED_FOLDER]
        named = [f"{shown(path.removeprefix('../'))} was not kept: it {why}" for path, why in lost[:_NAMED]]
        more = [f"{len(lost) - _NAMED} more were not kept"] if len(lost) > _NAMED else []
        return "; ".join([*named, *more])

    def to_json(self) -> dict[str, Any]:
        """A JSON object; `from_json` reads it back."""
        files = [{"path": e.path, "size": e.size, "sha256": e.sha256} for e in self.entries]
        return {
            "version": _VERSION,
            "digest": self.digest,
            "size": self.size,
            "files": files,
            "skipped": self.skipped,
        }

    @classmethod
    def from_json(cls, document: dict[str, Any], where: str = "manifest.json") -> Manifest:
        """Reads what `to_json` wrote.

        Raises:
            DamagedDocument, NewerDocument: `where` names it; also where its digest is not that of its entries.
        """
        check_version(document, where, _VERSION, ADVICE)
        found = fitting(_SHAPE, document, where, ADVICE)
        if "files" not in found:
            raise DamagedDocument(where, "`files` is missing", ADVICE)
        entries = tuple(ManifestEntry(**fields_of(ManifestEntry, f, where, ADVICE)) for f in found["files"])
        manifest = cls(entries, found.get("skipped", {}))
        try:
            is_right = found.get("digest", manifest.digest) == manifest.digest
        except UnicodeError:  # a path that no file system has
            is_right = False
        if not is_right:
            raise DamagedDocument(where, "its digest is not that of its entries", ADVICE)
        return manifest


def build(
    outputs: Path,
    *,
    cache: Path,
    progress: Callable[[str], None] | None = None,
    left: Mapping[str, str] | None = None,
) -> Manifest:
    """Digests every file below `outputs`; those unchanged since `cache` (a folder) was written are not read.

    A link to a file in the folder above, the attempt's, counts as that file; links to folders, those that lead out or
    nowhere, pipes, sockets and devices are skipped by name. `left` says why something was left out already, by its path
    in the attempt's folder. A file that keeps changing is digested as it was read last, and named in `skipped`.
    """
    from ..identity.stat_cache import Snapshot, StatCache, known, stamps

    root = str(outputs)
    remembered = StatCache(cache).load(root)
    old = remembered.files if remembered else {}
    scanned_at = time.time_ns()
    found, skipped = _walk(root)
    kept = {path for path, _ in found}
    for path, why in (left or {}).items():
        name = path.removeprefix("outputs/") if path.startswith("outputs/") else f"../{path}"
        if name not in kept:
            skipped[name] = why
    entries: dict[str, ManifestEntry] = {}
    snapshot = Snapshot("00" * 32)
    fresh = []
    for path, at in found:
        entry = old.get(path)
        if entry and entry[:-1] == stamps(at):
            entries[path] = ManifestEntry(path, at.st_size, entry[-1].hex())
            snapshot.files[path] = entry
        else:
            fresh.append((path, stamps(at)))
    for path, seen, sha256 in _digest(root, fresh, skipped, progress):
        entries[path] = ManifestEntry(path, seen[0], sha256.hex())
        snapshot.files[path] = known(seen, sha256, scanned_at)
    if fresh or len(old) != len(entries):
        StatCache(cache).save(root, snapshot)
    return Manifest(tuple(entries[path] for path in sorted(entries)), dict(sorted(skipped.items())))


def _digest(
    root: str,
    files: list[tuple[str, Stamps]],
    skipped: dict[str, str],
    progress: Callable[[str], None] | None,
) -> list[tuple[str, Stamps, bytes]]:
    from ..identity.hashing import digest_file, digest_files
    from ..identity.limits import readable

    above = os.path.dirname(root)

    def opened(place: str) -> int:
        return open_beneath(above, os.path.relpath(place, above))

    done: list[tuple[str, Stamps, bytes]] = []
    total, read = sum(seen[0] for _, seen in files), 0
    for first in range(0, len(files), _PART):
        part = files[first : first + _PART]
        results = digest_files([(f"{root}/{path}", seen[0]) for path, seen in part], opened)
        for (path, listed), result in zip(part, results, strict=True):
            before = listed
            for _ in range(_TRIES):
                if result.seen is None or result.seen[:2] == before[:2]:
                    break
                before, result = result.seen, digest_file(f"{root}/{path}", opened)
            if result.seen is None:
                skipped[path] = f"cannot be read: {result.error.strerror if result.error else 'gone'}"
                continue
            if result.seen[:2] != before[:2]:
                skipped[path] = "is still being written"
            done.append((path, result.seen, result.sha256))
        read += sum(seen[0] for _, seen in part)
        if progress:
            count = min(first + _PART, len(files))
            from ..spec import text

            outputs = text.count(len(files), "output")
            progress(f"digested {count} of {outputs}, {readable(read)} of {readable(total)}")
    return done


def _walk(root: str) -> tuple[list[tuple[str, os.stat_result]], dict[str, str]]:
    found: list[tuple[str, os.stat_result]] = []
    skipped: dict[str, str] = {}

    def unreadable(error: OSError) -> None:
        if error.filename != root:
            skipped[os.path.relpath(error.filename, root)] = f"cannot be read: {error.strerror}"

    if os.path.islink(root):
        return [], {}
    for folder, folders, names in os.walk(root, onerror=unreadable):
        prefix = os.path.relpath(folder, root)
        for name in folders + names:
            if name.startswith(OURS):
                continue
            path = name if prefix == "." else f"{prefix}/{name}"
            place = os.path.join(folder, name)
            try:
                at = os.lstat(place)
                if stat.S_ISLNK(at.st_mode):
                    at = _linked(root, path, skipped)
            except OSError as error:
                skipped[path] = _why_not(place, error)
                continue
            if stat.S_ISREG(at.st_mode):
                found.append((path, at))
            elif not stat.S_ISDIR(at.st_mode):
                skipped[path] = f"is {KINDS.get(stat.S_IFMT(at.st_mode), 'no plain file')}"
    return sorted(found, key=lambda item: item[0]), skipped


def _linked(root: str, path: str, skipped: dict[str, str]) -> os.stat_result:
    """What a link leads to, inside of the attempt's folder. Raises OSError where it counts for nothing."""
    above, name = os.path.split(root.rstrip("/"))
    _, at = find_beneath(above, f"{name}/{path}")
    if stat.S_ISDIR(at.st_mode):
        skipped[path] = LINKED_FOLDER
    return at


def _why_not(place: str, error: OSError) -> str:
    if isinstance(error, LeadsOut):
        return f"is a link to {shown(error.target)}, outside the run's own folder"
    if not os.path.islink(place):
        return str(error.strerror)
    if error.errno == errno.ELOOP:
        return "is a link that goes round in circles"
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return "is a link that leads nowhere"
    return f"is a link that cannot be read: {error.strerror}"
