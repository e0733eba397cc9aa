"""A tar that comes in pieces out of a node."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .transport import Take


def read_members(pieces: Iterable[bytes], take: Take) -> None:
    """Calls `take` for every member, with its content for files. Raises `tarfile.TarError` where the tar is cut short."""
    with tarfile.open(fileobj=_Stream(pieces), mode="r|") as archive:
        for member in archive:
            take(member, archive.extractfile(member) if member.isreg() else None)


class _Stream(io.RawIOBase):
    """Pieces of bytes as a file to read from."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """Exactly `size` bytes, fewer only at the end: what `tarfile` expects of a stream."""
        parts, left = [], size if size >= 0 else 1 << 62
        while left:
            if not self._rest:
                self._rest = next(self._pieces, b"")
                if not self._rest:
                    break
            part, self._rest = self._rest[:left], self._rest[left:]
            parts.append(part)
            left -= len(part)
        return b"".join(parts)
