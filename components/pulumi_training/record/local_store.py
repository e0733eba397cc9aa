"""A store that is a folder of this machine."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ..agent.beneath import LeadsOut, NoFile, find_beneath, read_beneath
from ..spec.refusals import advice
from .files import OURS, create_whole, sync_folder, temporary_beside, write_whole
from .store import NotFound, Store, Stored, StoreError


class LocalStore(Store):
    """Keys are files under `root`; writing is a temporary file, fsync and rename."""

    is_local = True

    def __init__(self, root: Path) -> None:
        self.root = root
        self.url = str(root)

    def read(self, key: str, start: int = 0, length: int | None = None, *, is_there: bool = False) -> bytes:
        """See `Store.read`."""
        with self._explained(self.local_path(key), key), self._opened(key) as stream:
            if start:
                stream.seek(start)
            return stream.read() if length is None else stream.read(length)

    def size(self, key: str) -> int:
        """See `Store.size`."""
        with self._explained(self.local_path(key), key):
            return self._state(key).st_size

    def write(self, key: str, data: bytes, *, durable: bool = True) -> None:
        """See `Store.write`."""
        path = self.local_path(key)
        with self._explained(path):
            write_whole(path, data, durable=durable)

    def create(self, key: str, data: bytes) -> bool:
        """See `Store.create`."""
        path = self.local_path(key)
        with self._explained(path):
            return create_whole(path, data)

    def exists(self, key: str) -> bool:
        """See `Store.exists`."""
        self.local_path(key)
        try:
            return stat.S_ISREG(self._state(key).st_mode)
        except OSError:
            return False

    def is_taken(self, key: str) -> bool:
        """See `Store.is_taken`; a link that leads nowhere takes its place too."""
        return os.path.lexists(self.local_path(key))

    def list(self, prefix: str = "") -> Iterator[Stored]:
        """See `Store.list`; links that count are listed as the files they lead to, and not followed to folders."""
        found = []
        for folder, _, names in os.walk(self.local_path(prefix)):
            for name in names:
                if name.startswith(OURS):
                    continue
                key = os.path.relpath(os.path.join(folder, name), self.root)
                try:
                    state = os.lstat(os.path.join(folder, name))
                    if stat.S_ISLNK(state.st_mode):
                        state = self._state(key)
                except OSError:
                    continue  # it went away meanwhile, or leads out or nowhere
                if stat.S_ISREG(state.st_mode):
                    found.append(Stored(key, state.st_size))
        return iter(sorted(found))

    def children(self, prefix: str = "") -> tuple[str, ...]:
        """See `Store.children`."""
        try:
            names = os.listdir(self.local_path(prefix))
        except (FileNotFoundError, NotADirectoryError):
            return ()
        except OSError as error:
            raise StoreError(self._words(self.local_path(prefix), error)) from error
        return tuple(sorted(name for name in names if not name.startswith(OURS)))

    def delete(self, prefix: str) -> None:
        """See `Store.delete`."""
        path = self.local_path(prefix)
        with self._explained(path):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def upload(self, path: Path, key: str) -> None:
        """See `Store.upload`."""
        target = self.local_path(key)
        with self._explained(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            with path.open("rb") as stream:
                _copy_whole(stream, target)

    def download(self, key: str, path: Path) -> None:
        """See `Store.download`."""
        if not self.exists(key):
            raise NotFound(key, self.display)
        with self._explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with self._opened(key) as stream:
                _copy_whole(stream, path)

    def local_path(self, key: str) -> Path:
        """The file of `key`. Raises `StoreError` for a key that leads out of the store."""
        if key.startswith("/") or ".." in key.split("/"):
            raise StoreError(f"{key!r} leads out of the store {self.root}")
        return self.root / key

    def _opened(self, key: str) -> IO[bytes]:
        """The file of `key`. A script may have put a link in the place of one of its attempt's files."""
        attempt, path = _split(key)
        if path:
            return read_beneath(str(self.root / attempt), path)
        return self.local_path(key).open("rb")

    def _state(self, key: str) -> os.stat_result:
        attempt, path = _split(key)
        if path:
            return find_beneath(str(self.root / attempt), path)[1]
        return self.local_path(key).stat()

    @contextmanager
    def _explained(self, path: Path, key: str | None = None) -> Iterator[None]:
        """Turns an `OSError` into words that name the path and the way out."""
        try:
            yield
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError, LeadsOut, NoFile) as error:
            if key is not None:
                raise NotFound(key, self.display) from error
            raise StoreError(self._words(path, error)) from error
        except OSError as error:
            if key is not None and error.errno == errno.ELOOP:
                raise NotFound(key, self.display) from error
            raise StoreError(self._words(path, error)) from error

    def _words(self, path: Path, error: OSError) -> str:
        return f"The store {self.root} cannot be used: {path}: {advice(error)}."


def _split(key: str) -> tuple[str, str]:
    """The attempt's part of a key and the path in it, which is empty for keys of no attempt."""
    parts = key.split("/", 4)
    if len(parts) == 5 and parts[0] == "runs" and parts[2] == "attempts":
        return "/".join(parts[:4]), parts[4]
    return key, ""


def _copy_whole(source: IO[bytes], target: Path) -> None:
    from ..agent.sparse import copy_sparse

    temporary = temporary_beside(target)
    try:
        with temporary.open("xb") as written:
            copy_sparse(source.fileno(), written.fileno())
            os.fsync(written.fileno())
        temporary.replace(target)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(target.parent)
