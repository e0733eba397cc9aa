"""Files on their way into a node: as a tar, or as the first program of a new node takes them (`agent.boot`)."""

from __future__ import annotations

import io
import os
import stat
import tarfile
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from ...agent.boot import HEAD
from ...spec.errors import PermanentError
from ...spec.outcome import Reason

Fill = Callable[["Upload"], None]
_BLOCK = 1 << 16
_FOLDER, _FILE, _ZEROS, _LINK, _NEW, _END = b"d", b"f", b"z", b"l", b"n", b"x"
_EMPTY = io.BytesIO()


@dataclass(frozen=True)
class Entry:
    """One file, folder or link; without a time of change it is of now."""

    kind: bytes
    path: str
    mode: int
    changed: float | None = None
    size: int = 0
    content: IO[bytes] = _EMPTY
    target: str = ""


class _Whole:
    """A file of this machine that must have so many bytes."""

    def __init__(self, stream: IO[bytes], path: Path, size: int) -> None:
        self._stream = stream
        self._path = path
        self._left = size

    def read(self, count: int) -> bytes:
        with reading(self._path):
            piece = self._stream.read(count)
        if not piece and self._left:
            raise PermanentError(
                Reason.DATA_UNAVAILABLE, f"{self._path} became shorter while it was sent to the node"
            )
        self._left -= len(piece)
        return piece


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Tells a file of ours that cannot be read from a node that does not take it."""
    try:
        yield
    except OSError as error:
        raise PermanentError(
            Reason.DATA_UNAVAILABLE, f"{error.filename or path} cannot be read: {error.strerror or error}"
        ) from error


class Upload(ABC):
    """Files being written down. All paths in it are absolute ones of the node."""

    def __init__(self) -> None:
        self._folders: set[str] = set()

    def folder(self, path: str) -> None:
        """A folder, and those above it; one at the top is there already and is not ours."""
        if path.count("/") > 1 and path not in self._folders:
            self.folder(os.path.dirname(path))
            self._folders.add(path)
            self._put(Entry(_FOLDER, path, 0o755))

    def file(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """A file of these bytes."""
        self.folder(os.path.dirname(path))
        self._put(Entry(_FILE, path, mode, size=len(content), content=io.BytesIO(content)))

    def zeros(self, path: str, size: int) -> None:
        """A small file of zeros, `size` bytes on the disk."""
        self.folder(os.path.dirname(path))
        self._put(Entry(_ZEROS, path, 0o644, size=size, content=io.BytesIO(bytes(size))))

    def link(self, path: str, target: str) -> None:
        """A symbolic link."""
        self.folder(os.path.dirname(path))
        self._put(Entry(_LINK, path, 0o777, target=target))

    def copy(self, source: Path, path: str, *, without: Collection[str] = ()) -> None:
        """A file or a whole folder of this machine; links stay links, as they are. `without` leaves out some paths.

        Raises:
            PermanentError: something of it cannot be read, or became shorter meanwhile.
        """
        if path in without:
            return
        with reading(source):
            found = source.lstat()
            is_link = stat.S_ISLNK(found.st_mode)
            target = os.readlink(source) if is_link else ""
            children = sorted(source.iterdir()) if stat.S_ISDIR(found.st_mode) else []
            stream = source.open("rb") if stat.S_ISREG(found.st_mode) else None
        if is_link:
            self.link(path, target)
        elif stream is not None:
            self.folder(os.path.dirname(path))
            mode = 0o755 if found.st_mode & 0o111 else 0o644
            with stream:
                size = os.fstat(stream.fileno()).st_size
                content = cast("IO[bytes]", _Whole(stream, source, size))
                self._put(Entry(_FILE, path, mode, changed=found.st_mtime, size=size, content=content))
        elif stat.S_ISDIR(found.st_mode):
            self.folder(path)
            for child in children:
                self.copy(child, f"{path}/{child.name}", without=without)

    @abstractmethod
    def _put(self, entry: Entry) -> None: ...


class _Tar(Upload):
    """`owner` is uid and gid of everything; without one, everybody may write."""

    def __init__(self, archive: tarfile.TarFile, owner: Sequence[int] | None) -> None:
        super().__init__()
        self._archive = archive
        self._uid, self._gid = owner or (0, 0)
        self._opens = 0 if owner else 0o022

    def _put(self, entry: Entry) -> None:
        member = tarfile.TarInfo(entry.path.lstrip("/"))
        member.uid, member.gid = self._uid, self._gid
        member.mode = entry.mode | self._opens
        member.mtime = time.time() if entry.changed is None else entry.changed
        member.type = {_FOLDER: tarfile.DIRTYPE, _LINK: tarfile.SYMTYPE}.get(entry.kind, tarfile.REGTYPE)
        member.linkname = entry.target
        member.size = entry.size
        self._archive.addfile(member, entry.content)


class _Sent(Upload):
    """As `agent.boot` reads it; everything is its process's own."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        super().__init__()
        self._send = send
        self._waiting = bytearray()

    def require_new(self, path: str) -> None:
        """Refuses a place that somebody has used before."""
        self._put(Entry(_NEW, path, 0))

    def end(self) -> None:
        """Nothing follows."""
        self._put(Entry(_END, "", 0))
        self._flush()

    def _put(self, entry: Entry) -> None:
        name, link = os.fsencode(entry.path), os.fsencode(entry.target)
        size = entry.size or len(link)
        self._waiting += (
            HEAD.pack(entry.kind, entry.mode, entry.changed or 0.0, size, len(name)) + name + link
        )
        left = 0 if entry.kind == _ZEROS else entry.size
        while left:
            if len(self._waiting) > _BLOCK:
                self._flush()
            piece = entry.content.read(min(left, _BLOCK))
            self._waiting += piece
            left -= len(piece)

    def _flush(self) -> None:
        self._send(bytes(self._waiting))
        self._waiting.clear()


def send_files(send: Callable[[bytes], None], fill: Fill | None, new: str) -> None:
    """Sends what `fill` writes to an `agent.boot`, which refuses if there is something at `new`; None sends nothing.

    Raises what `fill` and `send` raise.
    """
    sent = _Sent(send)
    if fill is not None:
        sent.require_new(new)
        fill(sent)
    sent.end()


def tar_of(fill: Fill, owner: Sequence[int] | None) -> Iterator[bytes]:
    """The tar that `fill` writes, piece by piece as the reader takes it; `owner` None opens it to everybody.

    Raises whatever `fill` raised, in the reader.
    """
    read_end, write_end = os.pipe()
    trouble: list[BaseException] = []

    def write() -> None:
        try:
            with os.fdopen(write_end, "wb") as stream:
                with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as archive:
                    fill(_Tar(archive, owner))
        except BrokenPipeError:
            return  # the reader gave up, and knows why
        except BaseException as error:  # noqa: BLE001 - raised again in the reader
            trouble.append(error)

    writer = threading.Thread(target=write, name="tar", daemon=True)
    writer.start()
    with os.fdopen(read_end, "rb", buffering=0) as stream:
        while piece := stream.read(_BLOCK):
            yield piece
    writer.join()
    if trouble:
        raise trouble[0]
