"""Outputs and logs of a run brought to a folder: checked against the manifest, and on after an interruption."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from ..agent.beneath import LeadsOut, find_beneath, shown
from ..agent.sparse import finish, write_sparse
from ..record.attempt import Attempt
from ..record.store import NotFound
from ..spec.errors import TrainingError, TransientError
from . import ranges
from .files import listing

_PART = ".part"
_LOCAL_CHUNK = 1 << 20
_THREADS = 4
_SMALL = 256 * 1024
_GROUP = 32
_TRIES = 4
_pause = time.sleep

Progress = Callable[[int, int], None]
"""Told the bytes that are there now, and how many there will be."""


class DownloadFailed(TrainingError):
    """A file could not be brought, or is not what the manifest says."""


@dataclass(frozen=True)
class Wanted:
    """A file to bring: its path below the attempt (`outputs/model.npz`), size, and sha256 where it is known."""

    path: str
    size: int
    sha256: str | None = None


@dataclass(frozen=True)
class DownloadReport:
    """What was done. `verified` counts files whose sha256 was compared; `kept` those that were there already."""

    destination: Path
    files: int
    bytes: int
    kept: int
    verified: int


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


def wanted(attempt: Attempt, *, logs: bool = False, prefix: str = "") -> list[Wanted]:
    """The files of an attempt: its outputs whose path begins with `prefix`, and its logs too if asked for.

    Outputs of a run that has ended come from its manifest, with digests. A `prefix` may begin with `outputs/`
    or, for logs alone, with `logs/`.
    """
    manifest = attempt.manifest()
    if manifest is not None:
        lost = not_kept(attempt)
        files = [
            Wanted(f"outputs/{e.path}", e.size, e.sha256) for e in manifest.entries if e.path not in lost
        ]
    else:
        files = [Wanted(f.path, f.size) for f in listing(attempt, "outputs")]
    is_of_logs = prefix.startswith("logs/")
    begin = prefix if prefix.startswith("outputs/") else f"outputs/{prefix}"
    chosen = [] if is_of_logs else [file for file in files if file.path.startswith(begin)]
    if logs or is_of_logs:
        found = listing(attempt, "logs")
        chosen += [Wanted(f.path, f.size) for f in found if not is_of_logs or f.path.startswith(prefix)]
    return sorted(chosen, key=lambda file: file.path)


def not_kept(attempt: Attempt) -> dict[str, str]:
    """Outputs that a manifest of before has and that are links out of the run's folder: path to where they lead.

    Their content was digested and never kept, and may be anything by now.
    """
    manifest, found = attempt.manifest(), {}
    for entry in manifest.entries if manifest and attempt.store.is_local else ():
        try:
            if (attempt.folder / "outputs" / entry.path).is_symlink():
                find_beneath(str(attempt.folder), f"outputs/{entry.path}")
        except LeadsOut as error:
            found[entry.path] = shown(error.target)
        except OSError:
            continue  # it is gone, which its download says
    return found


def download(
    attempt: Attempt,
    files: Iterable[Wanted],
    destination: Path,
    progress: Progress = lambda done, total: None,
) -> DownloadReport:
    """Brings `files` below `destination`, each by a `.part` file and a rename.

    A file that is there already with the right content is kept; a `.part` of an interrupted download is gone
    on with. Files are compared with their sha256 where it is known.

    Raises:
        DownloadFailed: a file is gone, is not what the manifest says, or cannot be written here.
        TransientError: the store does not answer; what was brought stays, and the next call goes on.
    """
    todo = list(files)
    counter = _Counter(sum(file.size for file in todo), progress)
    for file in todo:
        _check_path(file.path)

    def bring(group: Sequence[Wanted]) -> int:
        try:
            return _bring_group(source, {destination / file.path: file for file in group}, counter)
        except OSError as error:
            raise DownloadFailed(
                f"{error.filename or destination / file.path} cannot be written: {error.strerror or error}"
            ) from error

    threads = 1 if attempt.store.is_local else _THREADS
    large = sum(1 for file in todo if file.size > ranges.FIRST)
    with _source(attempt, min(large, threads), destination) as source:
        pool = ThreadPoolExecutor(threads, thread_name_prefix="download")
        try:
            kept = sum(pool.map(bring, _groups(attempt, todo)))
        finally:
            counter.is_over = True
            pool.shutdown(cancel_futures=True)
    return DownloadReport(
        destination, len(todo), counter.total, kept, sum(1 for file in todo if file.sha256 is not None)
    )


def download_one(attempt: Attempt, file: Wanted, place: Path) -> None:
    """Brings one file to exactly `place`; the rest as `download`."""
    try:
        with _source(attempt, 1) as source:
            _bring(source, file, place, _Counter(file.size, lambda done, total: None))
    except OSError as error:
        raise DownloadFailed(
            f"{error.filename or place} cannot be written: {error.strerror or error}"
        ) from error


class _Counter:
    """Bytes done, of all files together; `is_over` tells the other threads that one has failed."""

    def __init__(self, total: int, progress: Progress) -> None:
        self.total = total
        self.is_over = False
        self._done = 0
        self._lock = threading.Lock()
        self._progress = progress

    def add(self, count: int) -> None:
        with self._lock:
            self._done += count
            self._progress(self._done, self.total)


@dataclass(frozen=True)
class _Source:
    """Where files come from, how many ranges of each are read ahead, by which threads, and the folder they go to."""

    attempt: Attempt
    pool: Executor
    ahead: int
    destination: Path | None = None


@contextmanager
def _source(attempt: Attempt, at_once: int, destination: Path | None = None) -> Iterator[_Source]:
    """`at_once`: how many large files come at a time."""
    with ThreadPoolExecutor(ranges.AT_ONCE, thread_name_prefix="ranges") as pool:
        yield _Source(attempt, pool, max(1, ranges.AT_ONCE // max(1, at_once)), destination)


def _groups(attempt: Attempt, files: Sequence[Wanted]) -> list[Sequence[Wanted]]:
    """Small files of a remote store in groups, each one call of the driver; each of the others alone."""
    small = [file for file in files if file.sha256 and file.size <= _SMALL and not attempt.store.is_local]
    if len(small) <= _GROUP * 2:  # they come side by side
        return [[file] for file in files]
    grouped = set(small)
    groups: list[Sequence[Wanted]] = [small[at : at + _GROUP] for at in range(0, len(small), _GROUP)]
    return groups + [[file] for file in files if file not in grouped]


def _bring_group(source: _Source, files: Mapping[Path, Wanted], counter: _Counter) -> int:
    """Brings files; how many were there already. What does not come whole with the others comes alone."""
    kept, left = 0, dict(files)
    if len(files) > 1:
        left = {place: file for place, file in files.items() if not _is_there(place, file)}
        kept = len(files) - len(left)
        counter.add(sum(file.size for place, file in files.items() if place not in left))
        keys = [(f"{source.attempt.prefix}/{file.path}", file.size) for file in left.values()]
        came = source.attempt.store.read_small(keys)
        for (place, file), data in zip(list(left.items()), came, strict=True):
            if data is not None and hashlib.sha256(data).hexdigest() == file.sha256:
                part = _part_of(source, place)
                _clear(part)
                part.write_bytes(data)
                part.replace(place)
                counter.add(file.size)
                del left[place]
    return kept + sum(_bring(source, file, place, counter) for place, file in left.items())


def _bring(source: _Source, file: Wanted, place: Path, counter: _Counter) -> bool:
    """Brings one file; whether it was there already."""
    if _is_there(place, file):
        counter.add(file.size)
        return True
    part = _part_of(source, place)
    if not _is_plain(part) or not file.sha256:
        _clear(part)
    begun = part.stat().st_size if part.exists() else 0
    found = _fetch(source, file, part, begun if begun <= file.size else 0, counter)
    if begun and found != file.sha256:  # the part was of something else: once more, from the start
        counter.add(-file.size)
        found = _fetch(source, file, part, 0, counter)
    if file.sha256 is not None and found != file.sha256:
        part.unlink(missing_ok=True)
        raise DownloadFailed(
            f"{file.path} in {source.attempt.location} is not what the manifest says: its sha256 is {found}, "
            f"it should be {file.sha256}. It was changed or damaged after the run ended."
        )
    part.replace(place)
    return False


def _part_of(source: _Source, place: Path) -> Path:
    """The unfinished file beside `place`, whose folder is made.

    Below the folder that is downloaded to, nothing goes through a link: whoever put it there says where it leads.
    """
    top = source.destination
    if top is None:
        place.parent.mkdir(parents=True, exist_ok=True)
    else:
        top.mkdir(parents=True, exist_ok=True)
        folder = top
        for name in place.parent.relative_to(top).parts:
            folder = folder / name
            if folder.is_symlink():
                raise DownloadFailed(
                    f"{folder} is a link, and a download goes through none; remove it, or download to another folder"
                )
            folder.mkdir(exist_ok=True)
    return place.with_name(place.name + _PART)


def _clear(part: Path) -> None:
    """Takes away what is no unfinished file of ours: a link would be written through, a pipe waited for."""
    if part.is_symlink() or not part.is_dir():
        part.unlink(missing_ok=True)


def _is_plain(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def _is_there(place: Path, file: Wanted) -> bool:
    if file.sha256 is None or not _is_plain(place) or place.stat().st_size != file.size:
        return False
    return _hash_of(place).hexdigest() == file.sha256


def _fetch(source: _Source, file: Wanted, part: Path, begin: int, counter: _Counter) -> str:
    """Writes the file to `part` from byte `begin` on; answers the sha256 of the whole."""
    digest = _hash_of(part, begin) if begin else hashlib.sha256()
    counter.add(begin)
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    with os.fdopen(os.open(part, flags, 0o666), "wb", buffering=0) as stream:
        stream.truncate(begin)
        at = begin
        for data in _pieces(source, file, begin):
            write_sparse(stream.fileno(), at, data)
            at += len(data)
            digest.update(data)
            counter.add(len(data))
            if counter.is_over:
                raise TransientError(f"the download stopped before {file.path} was complete")
        finish(stream.fileno(), at)
    return digest.hexdigest()


def _pieces(source: _Source, file: Wanted, begin: int) -> Iterator[bytes]:
    attempt, place = source.attempt, begin
    is_local = attempt.store.is_local
    if file.sha256 and not is_local and file.size - begin > ranges.FIRST:
        yield from ranges.in_order(
            lambda start, count: _read(attempt, file, start, count),
            begin, file.size, source.pool, source.ahead,
        )  # fmt: skip
        return
    # Without a digest the file may still grow: it is read to where it ends now.
    while file.sha256 is None or place < file.size:
        data = _read(attempt, file, place, _LOCAL_CHUNK if is_local else ranges.FIRST)
        if not data:
            return
        place += len(data)
        yield data


def _read(attempt: Attempt, file: Wanted, start: int, count: int) -> bytes:
    key, is_there = f"{attempt.prefix}/{file.path}", start < file.size
    for left in range(_TRIES - 1, -1, -1):
        try:
            return attempt.store.read(key, start, count, is_there=is_there)
        except NotFound as error:
            return _read_staged(attempt, file.path, start, count, error)
        except TransientError as error:
            if not left:
                raise
            _pause(min(error.retry_after, 0.5 * 2 ** (_TRIES - left)))
    raise AssertionError("the last try raises")


def _read_staged(attempt: Attempt, path: str, start: int, count: int, error: NotFound) -> bytes:
    """Reads this machine's copy of a file that the store does not have yet."""
    data = attempt.read_staged(path, start, count)
    if data is None:
        raise DownloadFailed(f"{path} is not in {attempt.location} any more") from error
    return data


def _hash_of(path: Path, limit: int | None = None) -> _Hash:
    digest = hashlib.sha256()
    left = limit
    with path.open("rb") as stream:
        while data := stream.read(_LOCAL_CHUNK if left is None else min(_LOCAL_CHUNK, left)):
            digest.update(data)
            if left is not None:
                left -= len(data)
    return digest


def _check_path(path: str) -> None:
    """A record may come from anybody; a file of it must not leave the destination."""
    parts = PurePosixPath(path).parts
    if path.startswith("/") or ".." in parts or "\0" in path:
        raise DownloadFailed(f"{path!r} leads out of the folder to download to; the record is damaged")
