"""One attempt of a run: its intent, its document, its events, and its folder on this machine."""

from __future__ import annotations

import stat
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..agent.beneath import find_beneath, read_beneath
from ..agent.facts import ROOM
from ..spec.document import DamagedDocument, object_or_none
from ..spec.errors import TransientError
from ..spec.outcome import Reason
from ..spec.refusals import advice, is_full
from .documents import ADVICE, AttemptDocument, encode, load, masked
from .events import Event, EventLog
from .files import OURS, locked, write_whole
from .store import NotFound, Store, StoreError, explained, refuse_newer

if TYPE_CHECKING:
    from collections.abc import Callable

    from .manifest import Manifest
    from .sync import SyncReport

_SUBFOLDERS = ("events", "launch", "ranks", "metrics", "logs/std", "logs/stacks", "outputs")
_ROOM_BYTES = 128 << 10
"""For the attempt's document, its last events and its manifest, and a block for each of a file system of large ones."""
_LAST_EVENTS = frozenset(("finalizing", "warning", "ended"))
_LEFT = ("launch/links-*.json", "launch/left-*.json")
# Written every second or so, or found anew by the next driver: nothing is lost that a power cut takes.
_FLEETING = frozenset(("progress", "metrics", "queue_position", "cost", "plan", "environment", "supervisor"))


class Attempt:
    """Attempt `number` of `run_id` in `store`. Making the object touches nothing."""

    def __init__(self, store: Store, run_id: str, number: int, secrets: tuple[str, ...] = ()) -> None:
        self.store = store
        self.run_id = run_id
        self.number = number
        self.prefix = f"runs/{run_id}/attempts/{number}"
        self._secrets = secrets
        self._is_ours = False
        self._events = EventLog(store, f"{self.prefix}/events", secrets)

    @property
    def location(self) -> str:
        """Where the attempt is kept: a folder or a URL, without credentials."""
        return f"{self.store.display.rstrip('/')}/{self.prefix}"

    @property
    def folder(self) -> Path:
        """The attempt as a folder here: the record itself, or a staging folder for a remote store."""
        local = self.store.local_path(self.prefix)
        if local is not None:
            return local
        from .staging import staging_folder

        return staging_folder(self.store.url, self.run_id, self.number)

    def create(self, document: AttemptDocument) -> bool:
        """Writes the intent, if nobody did yet, and makes the folder: whether this caller was the first."""
        stamped = document if document.created_at else replace(document, created_at=time.time())
        if not self.store.create(self._key, encode(stamped.to_json(), self._secrets)):
            return False
        self.prepare_folder()
        return True

    def prepare_folder(self) -> Path:
        """Makes the folder and its subfolders where they are missing, as on a second machine; names it."""
        folder = self.folder
        try:
            for name in _SUBFOLDERS:
                (folder / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"{folder} cannot be made: {error.strerror or error}; free or permit it, or set "
                "TRAINING_STATE_DIR to another folder"
            ) from error
        return folder

    def exists(self) -> bool:
        """Whether the intent was written."""
        return self.store.is_taken(self._key)

    def document(self) -> AttemptDocument:
        """Where the attempt stands now. Raises `NotFound` before the intent, `UnreadableDocument`."""
        where = f"{self.location}/attempt.json"
        found = AttemptDocument.from_json(load(self.store, self._key, where), where)
        if (found.run_id, found.attempt) != (self.run_id, self.number):
            raise DamagedDocument(
                where, f"it is the document of attempt {found.attempt} of run {found.run_id}", ADVICE
            )
        return found

    def read_file(self, path: str) -> bytes | None:
        """One of its files, of this machine's copy first; None where there is none."""
        staged = self.read_staged(path)
        if staged is not None:
            return staged
        try:
            return self.store.read(f"{self.prefix}/{path}")
        except NotFound:
            return None

    def read_staged(self, path: str, start: int = 0, length: int = -1) -> bytes | None:
        """Bytes of one of its files on this machine; None where there is none, or a link in its way leads out."""
        try:
            stream = read_beneath(str(self.folder), path)
        except OSError:
            return None
        with stream:
            stream.seek(start)
            if length >= 0:
                return stream.read(length)
            return stream.read()

    def staged_size(self, path: str) -> int | None:
        """Bytes of one of its files on this machine; None as for `read_staged`."""
        try:
            found = find_beneath(str(self.folder), path)[1]
        except OSError:
            return None
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def read_json(self, path: str) -> dict[str, Any] | None:
        """A JSON object among its files, as `read_file`; None also where it cannot be read or is none."""
        try:
            return object_or_none(self.read_file(path))
        except (OSError, StoreError):
            return None

    def update(self, **changes: object) -> AttemptDocument:
        """Changes fields of the document, under a lock of this machine, and returns it.

        An `outcome` alone brings its status along. Fields that did not change cost no write. In a remote
        store, two machines that update at once leave the later one's document: the driver's lock keeps that
        away.
        Raises `AlreadyEnded`, `NotFound`, `UnreadableDocument`, `NewerDocument` also where the run's document is of
        a newer version, and `TransientError` when another process keeps the lock for 10 s.
        """
        if not self._is_ours:
            refuse_newer(self.store, f"runs/{self.run_id}/run.json")
            self._is_ours = True  # asked once: whoever drives a run brings it to its end
        if not self.folder.is_dir():
            if not self.exists():
                raise NotFound(self._key, self.store.display)
            self.prepare_folder()
        try:
            with locked(self.folder / f"{OURS}attempt.lock"):
                old = self.document()
                new = old.changed(**changes)
                if new != old:
                    self._write(new, is_fleeting=_FLEETING.issuperset(changes))
                if new.status.is_terminal and new.outcome and new.outcome.reason is not Reason.COLLECT_FAILED:
                    self.give_room()
                return new
        except TimeoutError as error:
            raise TransientError(str(error)) from error
        except OSError as error:
            raise StoreError(f"{self.folder} cannot be written: {advice(error)}") from error

    def keep_room(self) -> None:
        """Keeps room for the attempt's last words before its script can fill the disk.

        Raises:
            StoreError: there is none any more.
        """
        path = self.folder / ROOM
        with explained(self.folder, "there is no room for what a run writes at its end"):
            if path.exists():
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, bytes(_ROOM_BYTES), durable=False)

    def give_room(self) -> bool:
        """Gives back the room that was kept: whether there was any."""
        try:
            (self.folder / ROOM).unlink()
        except OSError:
            return False
        return True

    def event(self, kind: str, message: str = "", **data: object) -> None:
        """Adds an event: a kind, words for a person, data for a program."""
        if kind in _LAST_EVENTS:
            self._in_any_case(lambda: self._events.append(kind, message, **data))
        else:
            self._events.append(kind, message, **data)

    def events(self, after: str | None = None) -> Iterator[Event]:
        """The events after a cursor, oldest first."""
        return self._events.read(after)

    def sync_logs(self) -> SyncReport:
        """Brings logs, metrics and rank facts that changed to a remote store; see `sync.sync`."""
        from .sync import sync

        return sync(self, outputs=False)

    def sync_all(self, progress: Callable[[str], None] | None = None) -> SyncReport:
        """Brings everything that changed to a remote store, outputs included; see `sync.sync`."""
        from .sync import sync

        return sync(self, outputs=True, progress=progress)

    def write_manifest(self, progress: Callable[[str], None] | None = None) -> Manifest:
        """Digests `outputs/` and keeps `manifest.json`; unchanged files are not read again."""
        from .manifest import build

        manifest = build(
            self.folder / "outputs",
            cache=self.folder / f"{OURS}digests",
            progress=progress,
            left=masked(self._left_out(), self._secrets),
        )
        document = encode(manifest.to_json())
        self._in_any_case(lambda: self.store.write(f"{self.prefix}/manifest.json", document))
        return manifest

    def _left_out(self) -> dict[str, str]:
        """What each machine of the run says that it left out of outputs and logs, by path: why."""
        left: dict[str, str] = {}
        for path in sorted(path for pattern in _LEFT for path in self.folder.glob(pattern)):
            document = self.read_json(f"launch/{path.name}") or {}
            found = document.get("left")
            if isinstance(found, dict):
                left.update({path: str(why) for path, why in found.items()})
        return left

    def manifest(self) -> Manifest | None:
        """What `write_manifest` kept, or None before. Raises `UnreadableDocument`."""
        from .manifest import Manifest

        where = f"{self.location}/manifest.json"
        try:
            return Manifest.from_json(load(self.store, f"{self.prefix}/manifest.json", where), where)
        except NotFound:
            return None

    def _write(self, document: AttemptDocument, *, is_fleeting: bool) -> None:
        data = encode(document.to_json(), self._secrets)
        if is_fleeting:
            self.store.write(self._key, data, durable=False)
        else:
            self._in_any_case(lambda: self.store.write(self._key, data))

    def _in_any_case(self, step: Callable[[], None]) -> None:
        """Writes what must not be lost; where the disk is full, into the room that was kept for it."""
        try:
            step()
        except StoreError as error:
            if not is_full(error) or not self.give_room():
                raise
            step()

    @property
    def _key(self) -> str:
        return f"{self.prefix}/attempt.json"

    def __repr__(self) -> str:
        return f"Attempt({self.location!r})"
