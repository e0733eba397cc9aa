"""Facts on disk: small JSON documents that are replaced whole, so that a reader never sees half of one."""

from __future__ import annotations

import errno
import os

from .plainjson import dumps, loads

TYPE_CHECKING = False  # `typing` costs milliseconds that every rank would pay
if TYPE_CHECKING:
    from typing import Any


ROOM = "launch/room"
"""A file of a run's folder that takes up what its last words need, where whoever made the folder put it there."""
_FULL = (errno.ENOSPC, errno.EDQUOT)


def say(words: str) -> None:
    """A line to stderr. That may be a file on a full disk: what cannot be said must not end who says it."""
    try:
        os.write(2, f"{words}\n".encode("utf-8", "replace"))
    except OSError:
        return


def keep_room(folder: str, name: str, size: int) -> None:
    """Keeps room in a run's folder for the last word `name` (`end`, a rank): nobody else can take it.

    On a disk that is full by now there is none to keep.
    """
    path = _kept_room(folder, name)
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    except OSError:
        return
    try:
        os.write(fd, bytes(size))
    except OSError:
        return
    finally:
        os.close(fd)


def give_room(folder: str, name: str) -> None:
    """Gives back the room of a last word that was said."""
    _unlink(_kept_room(folder, name))


def _kept_room(folder: str, name: str) -> str:
    return f"{folder}/{ROOM}-{name}"


def write_last(folder: str, path: str, document: dict[str, Any], spare: str | None = None) -> None:
    """Writes a last word of a run: `path` is relative to its folder.

    Where the disk is full, into the room that was kept for it; where the folder takes nothing at all, below `spare`.
    Raises OSError where neither does.
    """
    name = os.path.basename(path)[: -len(".json")]
    try:
        write_json(f"{folder}/{path}", document, is_final=True)
        give_room(folder, name)
    except OSError:
        if spare is None:
            raise
        os.makedirs(os.path.dirname(f"{spare}/{path}"), exist_ok=True)
        _replace(f"{spare}/{path}", document, is_final=True)


def read_json(path: str) -> dict[str, Any]:
    """Reads one document. Raises OSError where there is none, ValueError where it is not a JSON object."""
    try:
        document = loads(_read(path).decode("utf-8"))
    except RecursionError:
        raise ValueError(f"{path} is nested too deeply") from None
    if not isinstance(document, dict):
        raise ValueError(f"{path} is not a JSON object")
    return document


def read_json_or_empty(path: str) -> dict[str, Any]:
    """Reads one document, or answers {} where there is none that can be read."""
    try:
        return read_json(path)
    except (OSError, ValueError):
        return {}


def open_plain(path: str) -> int:
    """Opens a plain file to read. Raises OSError for anything else that a script put there, and waits for no pipe."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    if os.fstat(fd).st_mode & 0o170000 != 0o100000:
        os.close(fd)
        raise OSError(errno.EINVAL, "is no plain file", path)
    return fd


def open_log(path: str) -> int:
    """Opens a log to append to; whatever else a script put in its place goes. Raises OSError."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        fd = os.open(path, flags, 0o644)
        if os.fstat(fd).st_mode & 0o170000 == 0o100000:
            os.set_blocking(fd, True)
            return fd
        os.close(fd)
    except OSError as problem:
        if problem.errno not in (errno.ELOOP, errno.ENXIO):
            raise
    os.unlink(path)
    return os.open(path, flags | os.O_EXCL, 0o644)


def write_json(path: str, document: dict[str, Any], *, is_final: bool = False) -> None:
    """Replaces the document at `path`; a final one is on the disk before this returns.

    Where the disk is full, a final one takes the room that was kept for it. Raises OSError when the folder is gone or
    full.
    """
    try:
        _replace(path, document, is_final=is_final)
    except OSError as problem:
        if not is_final or problem.errno not in _FULL:
            raise
        if not _into_room(path, document):
            _make_room(path)
            _replace(path, document, is_final=is_final)


def _into_room(path: str, document: dict[str, Any]) -> bool:
    """Writes over the room that was kept for this very word, and gives it its name: a script that still writes cannot
    take what was never given up. Whether there was such room, and enough."""
    folder, name = os.path.dirname(os.path.dirname(path)), os.path.basename(path)
    kept = _kept_room(folder, name[: -len(".json")])
    data = dumps(document).encode("ascii")
    try:
        if os.stat(kept).st_size < len(data):
            return False
        fd = os.open(kept, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        os.pwrite(fd, data, 0)
        os.ftruncate(fd, len(data))
        os.fsync(fd)
        os.replace(kept, path)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


def _make_room(path: str) -> None:
    """Gives up the room that the folder of a run has for its last words, below which `path` is one folder down."""
    _unlink(f"{os.path.dirname(os.path.dirname(path))}/{ROOM}")


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        return  # there was none, or another rank was quicker


def _replace(path: str, document: dict[str, Any], *, is_final: bool) -> None:
    temporary = f"{path}.{os.getpid()}.tmp"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        rest = dumps(document).encode("ascii")
        while rest:  # a disk that fills up takes a part first, and refuses only then
            rest = rest[os.write(fd, rest) :]
        if is_final:
            os.fsync(fd)
        os.replace(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise
    finally:
        os.close(fd)


def _read(path: str) -> bytes:
    fd = open_plain(path)
    try:
        parts: list[bytes] = []
        while True:
            part = os.read(fd, 1 << 20)
            if not part:
                return b"".join(parts)
            parts.append(part)
    finally:
        os.close(fd)


def read_tail(path: str, limit: int) -> bytes:
    """The last `limit` bytes of a file, or nothing where it cannot be read."""
    try:
        fd = open_plain(path)
    except OSError:
        return b""
    try:
        size = os.fstat(fd).st_size
        os.lseek(fd, max(0, size - limit), os.SEEK_SET)
        return os.read(fd, limit)
    except OSError:
        return b""
    finally:
        os.close(fd)
