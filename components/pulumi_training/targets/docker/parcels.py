"""Tar streams into containers: the one way in that needs neither a shared disk nor a running container."""

from __future__ import annotations

import io
import os
import stat
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

Fill = Callable[["Parcel"], None]
_BLOCK = 1 << 16


class Parcel:
    """A tar being written. All paths in it are absolute ones of the container; `owner` is uid and gid of all."""

    def __init__(self, archive: tarfile.TarFile, owner: tuple[int, int], *, is_private: bool = True) -> None:
        self._archive = archive
        self._owner = owner
        self._opens = 0 if is_private else 0o022
        self._folders: set[str] = set()

    def folder(self, path: str) -> None:
        """A folder, and those above it; one at the top is there already and is not ours."""
        if path.count("/") > 1 and path not in self._folders:
            self.folder(os.path.dirname(path))
            self._folders.add(path)
            entry = self._entry(path, 0o755)
            entry.type = tarfile.DIRTYPE
            self._archive.addfile(entry)

    def file(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """A file of these bytes."""
        self.folder(os.path.dirname(path))
        entry = self._entry(path, mode)
        entry.size = len(content)
        self._archive.addfile(entry, io.BytesIO(content))

    def link(self, path: str, target: str) -> None:
        """A symbolic link."""
        self.folder(os.path.dirname(path))
        entry = self._entry(path, 0o777)
        entry.type = tarfile.SYMTYPE
        entry.linkname = target
        self._archive.addfile(entry)

    def copy(self, source: Path, path: str) -> None:
        """A file or a whole folder of this machine; links stay links, as they are."""
        found = source.stat() if not source.is_symlink() else source.lstat()
        if stat.S_ISLNK(found.st_mode):
            self.link(path, os.readlink(source))
        elif stat.S_ISREG(found.st_mode):
            self.folder(os.path.dirname(path))
            entry = self._entry(path, 0o755 if found.st_mode & 0o111 else 0o644)
            entry.mtime = found.st_mtime
            with source.open("rb") as stream:
                entry.size = os.fstat(stream.fileno()).st_size
                self._archive.addfile(entry, stream)
        elif stat.S_ISDIR(found.st_mode):
            self.folder(path)
            for child in sorted(source.iterdir()):
                self.copy(child, f"{path}/{child.name}")

    def _entry(self, path: str, mode: int) -> tarfile.TarInfo:
        entry = tarfile.TarInfo(path.lstrip("/"))
        entry.uid, entry.gid = self._owner
        entry.mode = mode | self._opens
        entry.mtime = time.time()
        return entry


def parcel(fill: Fill, owner: tuple[int, int] | None) -> Iterator[bytes]:
    """The tar that `fill` writes, piece by piece as the reader takes it; `owner` None opens it to everybody.

    Raises whatever `fill` raised, in the reader.
    """
    read_end, write_end = os.pipe()
    trouble: list[BaseException] = []

    def write() -> None:
        try:
            with os.fdopen(write_end, "wb") as stream:
                with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as archive:
                    fill(Parcel(archive, owner or (0, 0), is_private=owner is not None))
        except BrokenPipeError:
            return  # the reader gave up, and knows why
        except BaseException as error:  # noqa: BLE001 - raised again in the reader
            trouble.append(error)

    writer = threading.Thread(target=write, name="parcel", daemon=True)
    writer.start()
    with os.fdopen(read_end, "rb", buffering=0) as stream:
        while piece := stream.read(_BLOCK):
            yield piece
    writer.join()
    if trouble:
        raise trouble[0]
