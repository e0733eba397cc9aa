"""The folder that holds built environments: where one lies, who may touch it, which ones go.

    <cache>/environments/<first 20 hex of the digest>/     a prefix; complete once `MARKER` is in it
    <cache>/environments/locks/<name>.lock                 exclusive: built or removed; shared: a run is in it
    <cache>/environments/logs/<name>.log                   the whole output of the newest build

An environment is built in its final place and is complete when its marker is written, last and atomically.
Building elsewhere and renaming does not do: a virtual environment, a conda prefix and the scripts in them
hold their own absolute path (uv's `--relocatable` mends uv's scripts, not conda's files). Whoever holds the
lock and finds no marker clears the folder first, so a half-made one is never used.

The locks are `flock`s and not filelock's because the installer inherits the descriptor: when a builder is
killed with -9, the lock lives on until its installer has stopped writing too. The kernel drops it then.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..spec.document import DamagedDocument, fields_of, object_or_none

MARKER = "training-environment.json"
KEEP = 20
"""Environments kept by `prune`, the most recently used ones."""
MIN_AGE = 3600.0
"""Seconds since the last use before an environment may be pruned: a run may be about to start in it."""
_POLL = 0.05
"""Seconds between two tries for a lock; a blocking wait could not be called off."""


@dataclass(frozen=True)
class CachedEnvironment:
    """What is kept about a built environment, in its marker.

    `created` is in seconds since the epoch; `mpirun` is relative to the prefix where it lies inside.
    """

    digest: str
    created: float
    python_version: str
    packages: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    mpirun: str | None = None
    mpi: str | None = None
    spec: dict[str, Any] | None = None


@dataclass(frozen=True)
class Entry:
    """One line of `entries`: sizes are in bytes on disk, `last_used` in seconds since the epoch."""

    prefix: Path
    is_complete: bool
    last_used: float
    environment: CachedEnvironment | None

    @property
    def size(self) -> int:
        """The bytes that its files hold; files shared with uv's own cache by hard links count too."""
        total = 0
        for folder, _, names in os.walk(self.prefix):
            for name in names:
                total += os.lstat(os.path.join(folder, name)).st_size
        return total


def root(cache: Path | None = None) -> Path:
    """The folder of all environments: in `cache`, else TRAINING_CACHE_DIR, else the user's cache folder."""
    if cache is None:
        told = os.environ.get("TRAINING_CACHE_DIR")
        if told:
            cache = Path(told).expanduser()
        else:
            import platformdirs

            cache = Path(platformdirs.user_cache_dir("pulumi-training"))
    return cache.absolute() / "environments"


def prefix_of(digest: str, cache: Path | None = None) -> Path:
    """Where the environment of a digest lies, or would. Short: a `#!` line holds at most 127 bytes."""
    return root(cache) / digest[:20]


def log_of(digest: str, cache: Path | None = None) -> Path:
    """The log of the newest build of a digest."""
    return root(cache) / "logs" / f"{digest[:20]}.log"


def read(prefix: Path) -> CachedEnvironment | None:
    """The marker of a complete environment; None where there is none, or where its Python is gone."""
    try:
        document = object_or_none((prefix / MARKER).read_bytes())
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    if document is None:
        return None
    if not (prefix / "bin" / "python").exists():  # the interpreter it links to was removed or upgraded
        return None
    try:
        return CachedEnvironment(**fields_of(CachedEnvironment, document, str(prefix / MARKER)))
    except DamagedDocument:
        return None  # it is made anew


def complete(prefix: Path, environment: CachedEnvironment) -> None:
    """Writes the marker: from here on the environment may be used."""
    write_atomically(prefix / MARKER, json.dumps(asdict(environment), indent=1))


def write_atomically(path: Path, text: str) -> None:
    """Writes a small file so that readers see all of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    with part.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(path)


def touch(prefix: Path) -> None:
    """Notes a use, for `prune`."""
    try:
        os.utime(prefix / MARKER)
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):  # a shared cache that is read-only
            raise


@contextmanager
def building(prefix: Path, on_wait: Callable[[], None] | None = None) -> Iterator[int]:
    """Holds the environment alone and yields the lock's descriptor.

    While another process holds it, `on_wait` is called once a second; an exception out of it ends the wait.
    """
    descriptor = _open_lock(prefix)
    try:
        told = 0.0
        while not _lock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB):
            if on_wait is not None and time.monotonic() - told >= 1.0:
                told = time.monotonic()
                on_wait()
            time.sleep(_POLL)
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def using(prefix: Path) -> Iterator[int | None]:
    """Keeps an environment from being pruned while a run is in it; ends with the process at the latest.

    Yields the lock's descriptor: a process that inherits it keeps the environment for as long as it lives. For
    prefixes outside the cache (user managed ones) it does nothing and yields None.
    """
    if not (prefix / MARKER).exists():
        yield None
        return
    descriptor = _open_lock(prefix)
    try:
        _lock(descriptor, fcntl.LOCK_SH)
        yield descriptor
    finally:
        os.close(descriptor)


def entries(cache: Path | None = None) -> list[Entry]:
    """Every environment in the cache, the most recently used first, half-made ones included."""
    folder = root(cache)
    found = []
    for prefix in folder.iterdir() if folder.is_dir() else ():
        if prefix.name in ("locks", "logs", "interpreters") or not prefix.is_dir():
            continue
        environment = read(prefix)
        marker = prefix / MARKER
        used = (marker if marker.exists() else prefix).stat().st_mtime
        found.append(Entry(prefix, environment is not None, used, environment))
    return sorted(found, key=lambda entry: entry.last_used, reverse=True)


def prune(cache: Path | None = None, *, keep: int = KEEP, min_age: float = MIN_AGE) -> list[Path]:
    """Removes all but the `keep` most recently used environments, and half-made ones; returns what went.

    One that is being built, that a run holds, or that was used less than `min_age` seconds ago stays.
    """
    removed = []
    now = time.time()
    complete_ones = 0
    for entry in entries(cache):
        if entry.is_complete:
            complete_ones += 1
            if complete_ones <= keep or now - entry.last_used < min_age:
                continue
        if _remove_if_free(entry, now, min_age):
            removed.append(entry.prefix)
    return removed


def clear(prefix: Path) -> None:
    """Removes a prefix, its marker first, so that a removal cut short leaves no complete-looking rest."""
    (prefix / MARKER).unlink(missing_ok=True)
    shutil.rmtree(prefix, ignore_errors=True)
    if prefix.exists():
        shutil.rmtree(prefix)  # once more, aloud


def _remove_if_free(entry: Entry, now: float, min_age: float) -> bool:
    descriptor = _open_lock(entry.prefix)
    try:
        if not _lock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB):
            return False
        marker = entry.prefix / MARKER
        if (
            entry.is_complete
            and marker.exists()
            and marker.stat().st_mtime > max(entry.last_used, now - min_age)
        ):
            return False  # used between the listing and the lock
        clear(entry.prefix)
        return True
    finally:
        os.close(descriptor)


def _open_lock(prefix: Path) -> int:
    folder = prefix.parent / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    return os.open(folder / f"{prefix.name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)


def _lock(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how)
    except BlockingIOError:
        return False
    return True
