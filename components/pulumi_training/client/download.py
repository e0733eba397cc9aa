"""Outputs and logs of a run brought to a folder: checked against the manifest, and on after an interruption."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from ..record.attempt import Attempt
from ..record.store import NotFound
from ..spec.errors import TrainingError, TransientError
from .files import listing

_PART = ".part"
_LOCAL_CHUNK = 1 << 20
_REMOTE_CHUNK = 8 << 20
_THREADS = 4
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
        files = [Wanted(f"outputs/{e.path}", e.size, e.sha256) for e in manifest.entries]
    else:
        files = [Wanted(f.path, f.size) for f in listing(attempt, "outputs")]
    is_of_logs = prefix.startswith("logs/")
    begin = prefix if prefix.startswith("outputs/") else f"outputs/{prefix}"
    chosen = [] if is_of_logs else [file for file in files if file.path.startswith(begin)]
    if logs or is_of_logs:
        found = listing(attempt, "logs")
        chosen += [Wanted(f.path, f.size) for f in found if not is_of_logs or f.path.startswith(prefix)]
    return sorted(chosen, key=lambda file: file.path)


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

    def bring(file: Wanted) -> bool:
        try:
            return _bring(attempt, file, destination / file.path, counter)
        except OSError as error:
            raise DownloadFailed(
                f"{error.filename or destination / file.path} cannot be written: {error.strerror or error}"
            ) from error

    pool = ThreadPoolExecutor(1 if attempt.store.is_local else _THREADS, thread_name_prefix="download")
    try:
        kept = sum(pool.map(bring, todo))
    finally:
        counter.is_over = True
        pool.shutdown(cancel_futures=True)
    return DownloadReport(
        destination, len(todo), counter.total, kept, sum(1 for file in todo if file.sha256 is not None)
    )


def download_one(attempt: Attempt, file: Wanted, place: Path) -> None:
    """Brings one file to exactly `place`; the rest as `download`."""
    try:
        _bring(attempt, file, place, _Counter(file.size, lambda done, total: None))
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


def _bring(attempt: Attempt, file: Wanted, place: Path, counter: _Counter) -> bool:
    """Brings one file; whether it was there already."""
    if _is_there(place, file):
        counter.add(file.size)
        return True
    place.parent.mkdir(parents=True, exist_ok=True)
    part = place.with_name(place.name + _PART)
    begun = part.stat().st_size if part.is_file() and file.sha256 else 0
    found = _fetch(attempt, file, part, begun if begun <= file.size else 0, counter)
    if begun and found != file.sha256:  # the part was of something else: once more, from the start
        counter.add(-file.size)
        found = _fetch(attempt, file, part, 0, counter)
    if file.sha256 is not None and found != file.sha256:
        part.unlink(missing_ok=True)
        raise DownloadFailed(
            f"{file.path} in {attempt.location} is not what the manifest says: its sha256 is {found}, "
            f"it should be {file.sha256}. It was changed or damaged after the run ended."
        )
    part.replace(place)
    return False


def _is_there(place: Path, file: Wanted) -> bool:
    if file.sha256 is None or not place.is_file() or place.stat().st_size != file.size:
        return False
    return _hash_of(place).hexdigest() == file.sha256


def _fetch(attempt: Attempt, file: Wanted, part: Path, begin: int, counter: _Counter) -> str:
    """Writes the file to `part` from byte `begin` on; answers the sha256 of the whole."""
    digest = _hash_of(part, begin) if begin else hashlib.sha256()
    counter.add(begin)
    chunk = _LOCAL_CHUNK if attempt.store.is_local else _REMOTE_CHUNK
    # Without a digest the file may still grow: it is read to where it ends now.
    with part.open("r+b" if begin else "wb") as stream:
        stream.seek(begin)
        stream.truncate()
        place = begin
        while not counter.is_over and (file.sha256 is None or place < file.size):
            data = _read(attempt, file.path, place, chunk)
            if not data:
                break
            stream.write(data)
            digest.update(data)
            place += len(data)
            counter.add(len(data))
    if counter.is_over:
        raise TransientError(f"the download stopped before {file.path} was complete")
    return digest.hexdigest()


def _read(attempt: Attempt, path: str, start: int, count: int) -> bytes:
    for left in range(_TRIES - 1, -1, -1):
        try:
            return attempt.store.read(f"{attempt.prefix}/{path}", start, count)
        except NotFound as error:
            return _read_staged(attempt, path, start, count, error)
        except TransientError as error:
            if not left:
                raise
            _pause(min(error.retry_after, 0.5 * 2 ** (_TRIES - left)))
    raise AssertionError("the last try raises")


def _read_staged(attempt: Attempt, path: str, start: int, count: int, error: NotFound) -> bytes:
    """Reads this machine's copy of a file that the store does not have yet."""
    try:
        with (attempt.folder / path).open("rb") as stream:
            stream.seek(start)
            return stream.read(count)
    except FileNotFoundError:
        raise DownloadFailed(f"{path} is not in {attempt.location} any more") from error


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
