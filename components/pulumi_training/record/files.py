"""Files written whole: a reader sees the old content or the new, and a crash leaves one of them."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OURS = ".~"
"""What the names of our own temporary and lock files start with; no listing shows them."""


def write_whole(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Replaces `path` by a file of `data`: temporary file beside it, fsync, rename. Raises `OSError`."""
    temporary = write_temporary(path, data, durable=durable)
    try:
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)


def create_whole(path: Path, data: bytes) -> bool:
    """Makes `path` with `data` unless it is there: whether this caller made it. Raises `OSError`.

    A hard link of a finished temporary file, so nobody reads a half-written one. A file system without hard
    links gets the same from a lock on the folder.
    """
    temporary = write_temporary(path, data)
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError:
        with locked(path.parent / f"{OURS}create.lock"):
            if path.exists():
                return False
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)
    return True


def write_temporary(path: Path, data: bytes, *, durable: bool = True) -> Path:
    """A finished file of `data` beside `path`, under a name of its own. Raises `OSError`, leaving nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(path)
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    try:
        write_all(descriptor, data)
        if durable:
            os.fsync(descriptor)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
    return temporary


def temporary_beside(path: Path) -> Path:
    """A name nobody else uses, in the folder of `path`."""
    return path.parent / f"{OURS}{os.getpid()}-{os.urandom(6).hex()}.tmp"


def write_all(descriptor: int, data: bytes) -> None:
    """Writes all of `data`; one `write` where the system takes it whole, as it does for files."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def sync_folder(folder: Path) -> None:
    """Makes the names in `folder` last through a power cut. Raises `OSError`."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems cannot fsync a folder and say EINVAL: there is nothing more to be had.
        import errno

        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(descriptor)


@contextmanager
def locked(path: Path, *, timeout: float = 10.0) -> Iterator[None]:
    """Holds an exclusive lock on `path` for a short piece of work; `timeout` in seconds.

    Raises `TimeoutError` when somebody else keeps it longer, `OSError` where it cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
    try:
        deadline = time.monotonic() + timeout
        while not try_lock(descriptor):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{path} was locked by another process for {timeout:g} seconds")
            time.sleep(0.005)
        yield
    finally:
        os.close(descriptor)


def try_lock(descriptor: int) -> bool:
    """Takes the lock of an open file if it is free; the kernel frees it when the process ends."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
