"""A store behind any fsspec file system: S3, GCS, Azure Blob, memory."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..spec.errors import Problem, SpecError, TrainingError, TransientError, mask
from ..spec.object_services import EXTRAS, NO_BUCKET, REFUSALS
from ..spec.refusals import advice, cause, is_of_this_machine
from ..spec.urls import scheme_of, secrets_of
from .files import OURS, temporary_beside
from .store import NotFound, Store, Stored, StoreError

_EXCLUSIVE = frozenset(("gs", "gcs", "abfs", "abfss", "az", "memory"))
"""Services whose create-if-absent is one request, for every account of theirs."""
_PROBED = frozenset(("s3", "s3a"))
"""S3 itself has it; servers that only speak its protocol may ignore it, so it is tried once."""

_memory_lock = threading.Lock()


class ObjectStore(Store):
    """Keys are objects under `url`. Puts are whole objects; listings are never cached."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._scheme = scheme_of(url)
        self._fs, self._root = _connect(url, self._scheme)
        self._create_proven = self._scheme in _EXCLUSIVE
        self._at_once = _at_once(self._fs, self._scheme)

    def read(self, key: str, start: int = 0, length: int | None = None, *, is_there: bool = False) -> bytes:
        """See `Store.read`."""
        if start and not is_there and start >= self.size(key):
            return b""
        try:
            with self._explained(key):
                end = None if length is None else start + length
                data: bytes = self._fs.cat_file(
                    self._path(key), start=start or None, end=end, **self._at_once
                )
                return data
        except (StoreError, TransientError):
            if start and is_there and start >= self.size(key):
                return b""
            raise

    def read_small(self, wanted: Sequence[tuple[str, int]]) -> list[bytes | None]:
        """See `Store.read_small`; one call of the driver, which has them on the way at once."""
        paths, sizes = [self._path(key) for key, _ in wanted], [size for _, size in wanted]
        try:
            found = self._fs.cat_ranges(paths, [0] * len(paths), sizes, on_error="return")
        except Exception:  # noqa: BLE001 - as each of them; they are asked for one by one, which says why
            return [None for _ in wanted]
        return [data if isinstance(data, bytes) else None for data in found]

    def size(self, key: str) -> int:
        """See `Store.size`."""
        with self._explained(key):
            self._fs.invalidate_cache()
            return int(self._fs.info(self._path(key))["size"] or 0)

    def write(self, key: str, data: bytes, *, durable: bool = True) -> None:
        """See `Store.write`; a put is durable when it returns."""
        with self._explained(key, writing=True):
            self._fs.pipe_file(self._path(key), data)

    def create(self, key: str, data: bytes) -> bool:
        """See `Store.create`. Raises `StoreError` where the store has no create-if-absent."""
        if not self._create_proven:
            self._prove_create()
        return self._create(key, data)

    def exists(self, key: str) -> bool:
        """See `Store.exists`."""
        with self._explained(key):
            self._fs.invalidate_cache()
            try:
                return bool(self._fs.info(self._path(key))["type"] == "file")
            except FileNotFoundError:
                return False

    def list(self, prefix: str = "") -> Iterator[Stored]:
        """See `Store.list`."""
        with self._explained(prefix):
            self._fs.invalidate_cache()
            try:
                found = self._fs.find(self._path(prefix), detail=True)
                if not isinstance(found, dict):  # adlfs, of a single object: its name alone
                    found = {name: self._fs.info(name) for name in found}
            except FileNotFoundError:  # gcsfs says so of a bucket that is not there, the others find nothing
                found = {}
        skip = len(self._root) + 1
        entries = (
            Stored(_absolute(path, self._root)[skip:], int(info["size"] or 0)) for path, info in found.items()
        )
        return iter(sorted(e for e in entries if e.key and not e.key.rpartition("/")[2].startswith(OURS)))

    def children(self, prefix: str = "") -> tuple[str, ...]:
        """See `Store.children`."""
        with self._explained(prefix):
            self._fs.invalidate_cache()
            try:
                found = self._fs.ls(self._path(prefix), detail=False)
            except (FileNotFoundError, NotADirectoryError):
                return ()
        names = {path.rstrip("/").rpartition("/")[2] for path in found}
        names.discard(self._path(prefix).rpartition("/")[2] if prefix else "")
        return tuple(sorted(name for name in names if name and not name.startswith(OURS)))

    def delete(self, prefix: str) -> None:
        """See `Store.delete`."""
        with self._explained(prefix):
            self._fs.invalidate_cache()
            try:
                self._fs.rm(self._path(prefix), recursive=True)
            except FileNotFoundError:
                return

    def upload(self, path: Path, key: str) -> None:
        """See `Store.upload`."""
        if not path.is_file():
            raise StoreError(f"{path} is not a file; it cannot be brought to {self.display}")
        with self._explained(key, writing=True, local=path):
            self._fs.put_file(str(path), self._path(key))

    def download(self, key: str, path: Path) -> None:
        """See `Store.download`."""
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = temporary_beside(path)
        try:
            with self._explained(key, local=temporary):
                self._fs.get_file(self._path(key), str(temporary))
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

    def _path(self, key: str) -> str:
        if key.startswith("/") or ".." in key.split("/"):
            raise StoreError(f"{key!r} leads out of the store {self.display}")
        return f"{self._root}/{key}" if key else self._root

    def _create(self, key: str, data: bytes) -> bool:
        try:
            with self._explained(key, writing=True):
                if self._scheme != "memory":
                    self._fs.pipe_file(self._path(key), data, mode="create")
                    return True
                with _memory_lock:
                    self._fs.pipe_file(self._path(key), data, mode="create")
                    return True
        except _Taken:
            return False

    def _prove_create(self) -> None:
        """Creates one object twice: a store that takes both would let two drivers start the same run."""
        if self._scheme not in _PROBED:
            raise StoreError(
                f"{self.display} cannot keep runs: {self._scheme}:// has no create-if-absent, so two runs "
                "could start at once. Use a folder, s3://, gs:// or abfs://."
            )
        probe = f"runs/{OURS}probe-{os.getpid()}-{time.time_ns()}"
        try:
            if not self._create(probe, b"1") or self._create(probe, b"2"):
                raise StoreError(
                    f"{self.display} cannot keep runs: its server ignores create-if-absent (If-None-Match): "
                    "two runs could start at once. Use a newer server, or a folder."
                )
        finally:
            self.delete(probe)
        self._create_proven = True

    @contextmanager
    def _explained(self, key: str, *, writing: bool = False, local: Path | None = None) -> Iterator[None]:
        """Turns whatever a driver raises into our errors, with the URL's secrets masked.

        What is wrong with the file `local` of this machine is no answer of the store's.
        """
        try:
            yield
        except (NotFound, StoreError, TransientError):
            raise
        except (
            Exception
        ) as error:  # each driver has its own family of errors: OSError, ClientError, HttpError, ...
            if is_of_this_machine(error) or _is_about(error, local):
                raise StoreError(_refused(key, error)) from error
            raise self._told(key, error, writing=writing) from error

    def _told(self, key: str, error: Exception, *, writing: bool) -> TrainingError:
        """What a driver raised, in our words."""
        if isinstance(error, (FileNotFoundError, IsADirectoryError)):
            if writing:
                return StoreError(f"{self.display} cannot take {key}: {error}. {_MAKE_IT}")
            return NotFound(key, self.display)
        words = mask(f"{type(error).__name__}: {error}", secrets_of(self.url))
        lower = words.lower()
        if isinstance(error, FileExistsError) or (
            "precondition" in lower.replace("-", "") and "hold" in lower
        ):
            return _Taken(f"{self.display} has something in the way of {key}: {words}")
        if any(sign in lower for sign in NO_BUCKET):
            return StoreError(f"{self.display} cannot take {key}: {words}. {_MAKE_IT}")
        if isinstance(error, PermissionError) or any(sign in lower for sign in REFUSALS):
            return StoreError(f"{self.display} refused {key}: {words}. Check the credentials and rights.")
        return TransientError(f"{self.display} did not answer for {key}: {words}")


def _is_about(error: Exception, local: Path | None) -> bool:
    """Whether an error is about a file of this machine."""
    return local is not None and isinstance(error, OSError) and str(error.filename) == str(local)


def _refused(key: str, error: BaseException) -> str:
    """This machine's copy of an object cannot be read or written: the store has nothing to do with it."""
    system = cause(error)
    assert system is not None
    place = system.filename or "the folder for temporary files or the staging folder"
    return f"{key} cannot pass through this machine: {place}: {advice(system, 'another TMPDIR and TRAINING_STATE_DIR')}"


_MAKE_IT = "Make the bucket or container, or choose another store."


class _Taken(StoreError):
    """Create-if-absent found something there."""


def _absolute(path: str, root: str) -> str:
    return path if path.startswith(root) or not root.startswith("/") else f"/{path}"


def _at_once(fs: object, scheme: str) -> dict[str, int]:
    """Options of `cat_file` for one request: newer s3fs asks for the size first, to read in parallel.

    Documents are small, and what is large is read in ranges; a list of runs would take twice the requests.
    """
    from inspect import signature

    read = getattr(fs, "_cat_file", None)
    if scheme in _PROBED and read is not None and "max_concurrency" in signature(read).parameters:
        return {"max_concurrency": 1}
    return {}


def _connect(url: str, scheme: str) -> tuple[Any, str]:
    import fsspec

    try:
        fs, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
    except ImportError as error:
        extra = EXTRAS.get(scheme)
        way = f"`pip install 'pulumi-training[{extra}]'`" if extra else "the fsspec driver for it"
        raise SpecError(Problem("store", f"{scheme}:// needs {way} ({error})")) from error
    except (ValueError, TypeError) as error:
        words = mask(str(error), secrets_of(url))
        raise SpecError(Problem("store", f"{scheme}:// is not a place this can use: {words}")) from error
    return fs, str(root).rstrip("/")
