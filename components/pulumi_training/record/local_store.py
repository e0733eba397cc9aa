"""A store that is a folder of this machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
        path = self.local_path(key)
        with self._explained(path, key), path.open("rb") as stream:
            if start:
                stream.seek(start)
            return stream.read() if length is None else stream.read(length)

    def size(self, key: str) -> int:
        """See `Store.size`."""
        path = self.local_path(key)
        with self._explained(path, key):
            return path.stat().st_size

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
        return self.local_path(key).is_file()

    def list(self, prefix: str = "") -> Iterator[Stored]:
        """See `Store.list`; links are listed as the files they lead to, and not followed to folders."""
        top = self.local_path(prefix)
        found = []
        for folder, _, names in os.walk(top):
            for name in names:
                path = os.path.join(folder, name)
                if not name.startswith(OURS) and os.path.isfile(path):
                    relative = os.path.relpath(path, self.root)
                    found.append(Stored(relative, os.stat(path).st_size))
        return iter(sorted(found))

    def children(self, prefix: str = "") -> tuple[str, ...]:
        """See `Store.children`."""
        try:
            names = os.listdir(self.local_path(prefix))
        except (FileNotFoundError, NotADirectoryError):
            return ()
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
            _copy_whole(path, target)

    def download(self, key: str, path: Path) -> None:
        """See `Store.download`."""
        source = self.local_path(key)
        if not source.is_file():
            raise NotFound(key, self.display)
        with self._explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            _copy_whole(source, path)

    def local_path(self, key: str) -> Path:
        """The file of `key`. Raises `StoreError` for a key that leads out of the store."""
        if key.startswith("/") or ".." in key.split("/"):
            raise StoreError(f"{key!r} leads out of the store {self.root}")
        return self.root / key

    @contextmanager
    def _explained(self, path: Path, key: str | None = None) -> Iterator[None]:
        """Turns an `OSError` into words that name the path and the way out."""
        try:
            yield
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            if key is not None:
                raise NotFound(key, self.display) from error
            raise StoreError(self._words(path, error)) from error
        except OSError as error:
            raise StoreError(self._words(path, error)) from error

    def _words(self, path: Path, error: OSError) -> str:
        return f"The store {self.root} cannot be used: {path}: {advice(error)}."


def _copy_whole(source: Path, target: Path) -> None:
    temporary = temporary_beside(target)
    try:
        with source.open("rb") as read, temporary.open("xb") as written:
            shutil.copyfileobj(read, written, 1024 * 1024)
            written.flush()
            os.fsync(written.fileno())
        temporary.replace(target)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(target.parent)
