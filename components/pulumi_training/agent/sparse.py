"""Files with holes: written and copied so that what takes no room goes on taking none."""

from __future__ import annotations

import errno
import os

BLOCK = 1 << 16
"""Bytes: a run of zeros as long as this, at a multiple of it, becomes a hole."""
_PIECE = 1 << 20
_ZEROS = bytes(BLOCK)
_PARTLY = (errno.ENXIO, errno.EINVAL, errno.ENOTSUP, errno.ENOSYS)
"""What a system says that has no holes to tell of, or after the last of the data."""


def write_sparse(file: int, at: int, data: bytes) -> None:
    """Writes `data` at byte `at`, holes in place of long runs of zeros; `finish` sets the length at the end.

    Where there was other content before, it must have been cut off: a hole keeps what is under it.
    """
    view = memoryview(data)
    begin = 0
    while begin < len(view):
        step = BLOCK - (at + begin) % BLOCK
        end = begin
        while end < len(view) and not _is_hole(view[end : end + step], step):
            end += min(step, len(view) - end)
            step = BLOCK
        _write_at(file, at + begin, view[begin:end])
        begin = end
        while begin < len(view) and _is_hole(view[begin : begin + step], step):
            begin += step
            step = BLOCK


def finish(file: int, size: int) -> None:
    """Makes the file `size` bytes long: a hole at its end was not written."""
    os.ftruncate(file, size)


def copy_sparse(source: int, target: int) -> int:
    """Copies an open file to another that is empty, holes as holes; answers its bytes. Raises OSError."""
    size = os.fstat(source).st_size
    at = 0
    while at < size:
        try:
            begin = os.lseek(source, at, os.SEEK_DATA)
            end = os.lseek(source, begin, os.SEEK_HOLE)
        except OSError as error:
            if error.errno == errno.ENXIO:
                break  # nothing but a hole follows
            if error.errno not in _PARTLY:
                raise
            begin, end = at, size
        except AttributeError:
            begin, end = at, size
        at = _copy_part(source, target, begin, min(end, size))
    finish(target, max(at, size))
    return max(at, size)


def _copy_part(source: int, target: int, begin: int, end: int) -> int:
    while begin < end:
        piece = os.pread(source, min(_PIECE, end - begin), begin)
        if not piece:
            return end  # it became shorter; what is missing is a hole
        write_sparse(target, begin, piece)
        begin += len(piece)
    return end


def _is_hole(piece: memoryview, step: int) -> bool:
    return len(piece) == step and not piece[0] and bytes(piece) == _ZEROS[:step]


def _write_at(file: int, at: int, rest: memoryview) -> None:
    while rest:
        written = os.pwrite(file, rest, at)
        at, rest = at + written, rest[written:]
