"""Brings data over: downloads and uploads that go on where they stopped, checked file by file."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from ..agent.beneath import shown
from ..agent.sparse import copy_sparse
from ..identity.limits import readable
from ..spec import text
from ..spec.errors import PermanentError, TransientError
from ..spec.outcome import Reason
from .folder import files_of, opener, places
from .journal import Journal
from .objects import Object, Objects
from .references import Place, require, resolve
from .temporaries import sweep, temporary_beside

Progress = Callable[[str], None]
_THREADS = 4
_SMALL = 256 * 1024
"""Files of so many bytes at most come in groups, each one call of the driver."""
_GROUP = 32
_TRIES = 4
_NAMED = 3
_pause = time.sleep
_T = TypeVar("_T")


@dataclass(frozen=True)
class Transferred:
    """What came over: files and bytes moved now, and files that were there already."""

    files: int
    bytes: int
    kept: int


def download(
    uri: str | Place,
    destination: Path,
    progress: Progress | None = None,
    *,
    base: Path | None = None,
    overwrites: bool = True,
) -> Transferred:
    """Copies the data at `uri` to `destination` (a folder, or a file where `uri` is one).

    Files that are there with the same content are kept, and with `overwrites` False any that are there; others
    come by a temporary file, a check of size and checksum, and a rename. What `destination` has besides stays.
    Raises `SpecError` for missing data, `PermanentError(DATA_UNAVAILABLE)` when it cannot be had after several
    tries, the disk is too small or `destination` cannot be written.
    """
    place = require(uri, base=base)
    try:
        return _download(place, destination, progress, overwrites)
    except OSError as error:
        words = f"{place} cannot be brought to {destination}: {error}"
        raise PermanentError(Reason.DATA_UNAVAILABLE, words) from error


def _download(place: Place, destination: Path, progress: Progress | None, overwrites: bool) -> Transferred:
    if place.local is not None:
        return _copy(place.local, destination, progress, f"downloaded from {place}", overwrites)
    objects = Objects(place)
    journal = Journal("download", place.url, str(destination))
    wanted = _retried(objects.files, str(place))
    missing = [
        o
        for o in wanted
        if not _is_here(_join(destination, o.path), o, journal)
        and (overwrites or not _join(destination, o.path).exists())
    ]
    _require_room(destination, sum(o.size for o in missing), place)
    folders = {_join(destination, o.path).parent for o in missing}
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    sweep(folders)

    def fetch(group: Sequence[Object]) -> tuple[int, int]:
        targets = {o: _join(destination, o.path) for o in group}
        left = _left_of(objects, targets) if len(group) > 1 else group
        for o in sorted(group, key=left.__contains__):  # those that are here first: another may fail
            if o in left:
                _retried(partial(_fetch, objects, o, targets[o]), str(place))
            journal.add(o.path, targets[o].stat(), o.mark)
        return len(group), sum(o.size for o in group)

    with journal:
        shown = _Shown(progress, f"downloaded from {place}", len(missing), sum(o.size for o in missing))
        moved = _all(fetch, _groups(missing), shown)
    return Transferred(len(missing), moved, len(wanted) - len(missing))


def upload(
    source: Path,
    uri: str | Place,
    progress: Progress | None = None,
    *,
    base: Path | None = None,
    overwrites: bool = True,
) -> Transferred:
    """Copies the folder or file `source` to `uri`; objects that have the same content already are kept.

    With `overwrites` False those with other content are kept too.

    What `uri` has besides stays. Raises `PermanentError(COLLECT_FAILED)` when the store does not take it
    after several tries: the data stays in `source`.
    """
    place = resolve(uri, base=base, path="outputs")
    try:
        if place.local is not None:
            return _copy(source, place.local, progress, f"delivered to {place}", overwrites)
        objects = Objects(place)
        journal = Journal("upload", place.url, str(source))
        there = {o.path: o for o in _retried(objects.files, str(place))}
        files, place_of = _present(source, progress), places(source)
        missing = [
            (p, at)
            for p, at in files
            if not _is_there(partial(place_of, p), p, at, there.get(p), journal)
            and (overwrites or p not in there)
        ]

        def send(item: tuple[str, os.stat_result]) -> tuple[int, int]:
            path, at = item
            sent = _retried(lambda: _send(objects, place_of(path), path), str(place))
            journal.add(path, at, sent.mark)
            return 1, at.st_size

        with journal:
            total = sum(at.st_size for _, at in missing)
            moved = _all(send, missing, _Shown(progress, f"delivered to {place}", len(missing), total))
    except PermanentError as error:
        raise PermanentError(Reason.COLLECT_FAILED, f"The data stays in {source}: {error}") from error
    except OSError as error:
        words = f"{place} cannot be written: {error.strerror or error}. The data stays in {source}"
        raise PermanentError(Reason.COLLECT_FAILED, words) from error
    return Transferred(len(missing), moved, len(files) - len(missing))


def _copy(
    source: Path, destination: Path, progress: Progress | None, words: str, overwrites: bool
) -> Transferred:
    from .folder import digests_of

    files = _present(source, progress)
    same_size = [(p, at) for p, at in files if _size(_join(destination, p)) == at.st_size]
    wanted = digests_of(source, same_size) if same_size else {}
    present = {p: hashlib.sha256() for p in wanted}
    for path, digest in present.items():
        _read_into(_join(destination, path), digest.update)
    kept = {path for path, digest in wanted.items() if present[path].digest() == digest}
    if not overwrites:
        kept |= {path for path, _ in files if _join(destination, path).exists()}
    missing = [(path, at) for path, at in files if path not in kept]
    _require_room(destination, sum(at.st_size for _, at in missing), Place(str(source), source))

    opened = opener(source)

    def copy(item: tuple[str, os.stat_result]) -> tuple[int, int]:
        target = _join(destination, item[0])
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = temporary_beside(target)
        try:
            _copy_file(opened(item[0]), temporary)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
        return 1, item[1].st_size

    destination.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        destination.mkdir(exist_ok=True)
    total = sum(at.st_size for _, at in missing)
    sweep({_join(destination, path).parent for path, _ in missing})
    moved = _all(copy, missing, _Shown(progress, words, len(missing), total))
    return Transferred(len(missing), moved, len(kept))


def _present(source: Path, progress: Progress | None) -> list[tuple[str, os.stat_result]]:
    """The files of a folder of this machine; what a run left there and does not count is named."""
    left: dict[str, str] = {}
    files = files_of(source, left)
    if left and progress:
        named = [f"{shown(path or source.name)} is left out: it {why}" for path, why in sorted(left.items())]
        more = f"; {len(named) - _NAMED} more are left out" if len(named) > _NAMED else ""
        progress(f"warning: {'; '.join(named[:_NAMED])}{more}")
    return files


def _copy_file(read: int, target: Path) -> None:
    try:
        with target.open("xb") as written:
            copy_sparse(read, written.fileno())
    finally:
        os.close(read)


def _groups(wanted: Sequence[Object]) -> list[Sequence[Object]]:
    """Small files in groups, each of the others alone; a few files are no groups, for they come side by side."""
    small = [o for o in wanted if o.size <= _SMALL]
    if len(small) <= _GROUP * 2:
        return [[o] for o in wanted]
    groups: list[Sequence[Object]] = [small[at : at + _GROUP] for at in range(0, len(small), _GROUP)]
    return groups + [[o] for o in wanted if o.size > _SMALL]


def _left_of(objects: Objects, targets: Mapping[Object, Path]) -> list[Object]:
    """Fetches a group in one go; those that did not come, or not whole."""
    left = {o: temporary_beside(target) for o, target in targets.items()}
    try:
        objects.get_all([(o.path, str(temporary)) for o, temporary in left.items()])
        for o, temporary in list(left.items()):
            with suppress(TransientError, FileNotFoundError):
                _take(o, temporary, targets[o])
                del left[o]
    except TransientError:
        pass  # they come one by one, and the last try of one says why
    finally:
        for temporary in left.values():
            temporary.unlink(missing_ok=True)
    return list(left)


def _fetch(objects: Objects, wanted: Object, target: Path) -> None:
    temporary = temporary_beside(target)
    try:
        objects.get(wanted.path, str(temporary))
        _take(wanted, temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def _take(wanted: Object, temporary: Path, target: Path) -> None:
    """Puts what came in its place. Raises `TransientError` where it is not what the store tells of."""
    size = temporary.stat().st_size
    if size != wanted.size:
        raise TransientError(f"{wanted.path or target.name} came with {size} of {wanted.size} bytes")
    if wanted.md5 and _md5(temporary) != wanted.md5:
        raise TransientError(f"{wanted.path or target.name} came with another checksum than the store tells")
    temporary.replace(target)


def _send(objects: Objects, file: Path, path: str) -> Object:
    sent = objects.put(str(file), path)
    if sent.size != file.stat().st_size:
        raise TransientError(f"{path} arrived with {sent.size} of {file.stat().st_size} bytes")
    return sent


def _is_here(target: Path, wanted: Object, journal: Journal) -> bool:
    if _size(target) != wanted.size:
        return False
    return journal.has(wanted.path, target.stat(), wanted.mark) or (
        wanted.md5 is not None and _md5(target) == wanted.md5
    )


def _is_there(
    place: Callable[[], Path], path: str, at: os.stat_result, there: Object | None, journal: Journal
) -> bool:
    if there is None or there.size != at.st_size:
        return False
    return journal.has(path, at, there.mark) or (there.md5 is not None and _md5(place()) == there.md5)


class _Shown(NamedTuple):
    """What progress is told: to whom, of what, and of how many files and bytes."""

    progress: Progress | None
    words: str
    files: int
    bytes: int


def _all(work: Callable[[_T], tuple[int, int]], items: Sequence[_T], shown: _Shown) -> int:
    """Does the work, several items at a time, each of which answers its files and bytes; all bytes."""
    count = done = 0
    pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="transfer")
    try:
        for files, size in pool.map(work, items):
            count, done = count + files, done + size
            if shown.progress:
                of_all = text.count(shown.files, "file")
                moved = f"{count} of {of_all}, {readable(done)} of {readable(shown.bytes)}"
                shown.progress(f"{shown.words}: {moved}")
    finally:
        pool.shutdown(cancel_futures=True)
    return done


def _retried(work: Callable[[], _T], where: str) -> _T:
    for left in range(_TRIES - 1, -1, -1):
        try:
            return work()
        except TransientError as error:
            if not left:
                words = f"{where} failed {_TRIES} times, at last: {error}"
                raise PermanentError(Reason.DATA_UNAVAILABLE, words) from error
            _pause(min(error.retry_after, 0.5 * 2 ** (_TRIES - left)))
    raise AssertionError("a loop of at least one try returns or raises")


def _require_room(destination: Path, needed: int, place: Place) -> None:
    folder = destination
    while not folder.is_dir():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if needed > free:
        words = f"{place} needs {readable(needed)} and {folder} has {readable(free)} free. Free some space."
        raise PermanentError(Reason.DATA_UNAVAILABLE, words)


def _join(root: Path, path: str) -> Path:
    """`path` below `root`. An object may be called `../x`; it is not written outside."""
    if not path:
        return root
    if ".." in path.split("/"):
        raise PermanentError(
            Reason.DATA_UNAVAILABLE, f"the object {path!r} would be written outside of {root}"
        )
    return root / path


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def _md5(path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    _read_into(path, digest.update)
    return digest.hexdigest()


def _read_into(path: Path, update: Callable[[bytes], None]) -> None:
    with path.open("rb") as stream:
        while chunk := stream.read(1024 * 1024):
            update(chunk)
