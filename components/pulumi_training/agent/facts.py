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


def read_json(path: str) -> dict[str, Any]:
    """Reads one document. Raises OSError where there is none, ValueError where it is not a JSON object."""
    with open(path, "rb") as stream:  # noqa: PTH123
        document = loads(stream.read().decode("utf-8"))
    if not isinstance(document, dict):
        raise ValueError(f"{path} is not a JSON object")
    return document


def read_json_or_empty(path: str) -> dict[str, Any]:
    """Reads one document, or answers {} where there is none that can be read."""
    try:
        return read_json(path)
    except (OSError, ValueError):
        return {}


def write_json(path: str, document: dict[str, Any], *, is_final: bool = False) -> None:
    """Replaces the document at `path`; a final one is on the disk before this returns.

    Where the disk is full, a final one takes the room that was kept for it. Raises OSError when the folder is gone or
    full.
    """
    try:
        _replace(path, document, is_final=is_final)
    except OSError as problem:
        if not is_final or problem.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        _make_room(path)
        _replace(path, document, is_final=is_final)


def _make_room(path: str) -> None:
    """Gives up the room that the folder of a run has for its last words, below which `path` is one folder down."""
    try:  # noqa: SIM105 - contextlib is one import more for every rank
        os.unlink(f"{os.path.dirname(os.path.dirname(path))}/{ROOM}")
    except OSError:
        pass  # there was none, or another rank was quicker


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


def read_tail(path: str, limit: int) -> bytes:
    """The last `limit` bytes of a file, or nothing where it cannot be read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
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
