"""The store: a flat space of keys under one URL, the same for a folder and for an object store."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ..spec.document import DamagedDocument, NewerDocument, check_version, object_or_none
from ..spec.errors import TrainingError
from ..spec.refusals import advice
from ..spec.urls import display
from .location import local_folder


class StoreError(TrainingError):
    """A store refused: read-only, full, not permitted, not able. Names the place and what to do."""


@contextmanager
def explained(folder: Path, doing: str) -> Iterator[None]:
    """Turns an `OSError` of a folder of the record into words; `doing` says what could not be done.

    Raises:
        StoreError: the file system refused.
    """
    try:
        yield
    except OSError as error:
        raise StoreError(f"{folder}: {doing}: {advice(error)}") from error


class NotFound(TrainingError, KeyError):
    """There is nothing under that key."""

    def __init__(self, key: str, where: str) -> None:
        self.key = key
        super().__init__(f"{key} is not in {where}")

    def __str__(self) -> str:
        return self.message


class Stored(NamedTuple):
    """One object of a store: its key, and its size in bytes."""

    key: str
    size: int


class Store(ABC):
    """Keys are relative POSIX paths (`runs/fit-1/run.json`); values are bytes.

    Every method raises `StoreError` where the store refuses, `TransientError` where a remote store may answer
    the next time, and `NotFound` for a missing key.
    """

    url: str
    is_local: bool = False

    @staticmethod
    def open(url: str, *, base: Path | None = None) -> Store:
        """The store at `url`: a folder (relative ones against `base`), or any fsspec URL.

        Creates nothing. Raises `SpecError` for a URL that cannot be a store or whose driver is not installed.
        """
        folder = local_folder(url, base=base)
        if folder is not None:
            from .local_store import LocalStore

            return LocalStore(folder)
        from .object_store import ObjectStore

        return ObjectStore(url.strip())

    @property
    def display(self) -> str:
        """The URL without credentials: the only form that is printed."""
        return display(self.url)

    @abstractmethod
    def read(self, key: str, start: int = 0, length: int | None = None, *, is_there: bool = False) -> bytes:
        """The bytes under `key`, from `start`, at most `length` of them; none where it ends before `start`.

        A remote store is asked how long it is first, for services refuse what begins behind the end. With
        `is_there`, for callers that know of bytes at `start`, it is asked only after a refusal.
        """

    def read_small(self, wanted: Sequence[tuple[str, int]]) -> list[bytes | None]:
        """What is under each key, of which so many bytes are expected; None for each that did not come.

        For many small objects at once. It raises nothing: `read` says why one did not come.
        """
        return [None for _ in wanted]

    @abstractmethod
    def size(self, key: str) -> int:
        """Bytes under `key`."""

    @abstractmethod
    def write(self, key: str, data: bytes, *, durable: bool = True) -> None:
        """Puts the whole of `data` under `key`; a reader sees the old or the new, never a part.

        `durable=False` leaves out the wait for the disk, for what is written every second.
        """

    @abstractmethod
    def create(self, key: str, data: bytes) -> bool:
        """As `write`, if there is nothing under `key`: whether this caller was the first."""

    @abstractmethod
    def exists(self, key: str) -> bool:
        """Whether there is an object under `key`."""

    def is_taken(self, key: str) -> bool:
        """Whether anything is in that place, be it no object that can be read: nothing new may be made there."""
        return self.exists(key)

    @abstractmethod
    def list(self, prefix: str = "") -> Iterator[Stored]:
        """Every object under the folder `prefix`, however deep, sorted by key; nothing if it is not there."""

    @abstractmethod
    def children(self, prefix: str = "") -> tuple[str, ...]:
        """The names directly under the folder `prefix`, sorted; nothing if it is not there."""

    @abstractmethod
    def delete(self, prefix: str) -> None:
        """Removes the object or folder `prefix`; removing nothing is no error."""

    @abstractmethod
    def upload(self, path: Path, key: str) -> None:
        """Puts the file at `path` under `key`, whole."""

    @abstractmethod
    def download(self, key: str, path: Path) -> None:
        """Writes what is under `key` to `path`, by a temporary file and a rename."""

    def local_path(self, key: str) -> Path | None:
        """Where `key` is on this machine's file system; None for a remote store."""
        return None

    def __str__(self) -> str:
        return self.display

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.display!r})"


def refuse_newer(store: Store, key: str, known: int = 1) -> None:
    """Raises `NewerDocument` where what is under `key` is of a later format than `known`: it must not be written.

    What is missing or damaged is no reason to refuse.
    """
    try:
        document = object_or_none(store.read(key))
        check_version(document or {}, f"{store.display.rstrip('/')}/{key}", known)
    except NewerDocument:
        raise
    except (NotFound, StoreError, DamagedDocument):
        return
