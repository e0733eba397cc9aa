"""Tar streams out of containers, running or ended."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    import docker

_LIMIT = 1 << 20


def members(
    client: docker.DockerClient,
    container: str,
    path: str,
    take: Callable[[tarfile.TarInfo, IO[bytes] | None], None],
) -> bool:
    """Calls `take` for every member below `path`, with its content for files; False where `path` is not there.

    Names are relative to the folder above `path`.
    """
    import docker.errors

    try:
        stream, _ = client.api.get_archive(container, path)
    except docker.errors.NotFound:
        return False
    with tarfile.open(fileobj=_Stream(stream), mode="r|") as archive:
        for member in archive:
            take(member, archive.extractfile(member) if member.isreg() else None)
    return True


def read_file(client: docker.DockerClient, container: str, path: str) -> bytes | None:
    """A small file of a container, or None where it is not there."""
    found: list[bytes] = []

    def take(member: tarfile.TarInfo, content: IO[bytes] | None) -> None:
        if content is not None:
            found.append(content.read(_LIMIT))

    members(client, container, path, take)
    return found[0] if found else None


class _Stream(io.RawIOBase):
    """Pieces of bytes as a file to read from."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
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
