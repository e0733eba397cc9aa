"""One driver per run: a lock that a process holds while it lives, and that says who it is.

In a folder store the lock is the kernel's (`flock` on `driver.lock`): it is free the moment its holder dies,
whatever killed it. `driver.json` beside it says who holds it and counts beats, for machines that share the
folder but not the kernel. In a remote store the lock is only that document, as a lease: best effort, decided
by create-if-absent and, for taking over, by the last writer.

A holder on another machine counts as alive while its count of beats changes within `PATIENCE` seconds as
*this* process sees it; clocks are never compared. So a lock met for the first time is held.
"""

from __future__ import annotations

import os
import threading
import time
from typing import Any, Protocol

from ..spec.document import DamagedDocument
from .documents import decode, encode
from .files import try_lock
from .holder import Holder, this_process
from .store import NotFound, Store, StoreError

BEAT_SECONDS = 5.0
PATIENCE = 60.0
_SETTLE_SECONDS = 0.5
_TRIES = 10


_seen: dict[tuple[str, str], tuple[str, int, float]] = {}
"""By store and key: token and beats of a holder on another machine, and when this process first saw them.

Kept for all who ask: each makes a lock of its own, and none of them looks for long enough."""


class Place(Protocol):
    """What a lock is in: a folder of a store, as the record of a run is."""

    @property
    def store(self) -> Store:
        """The store."""

    @property
    def prefix(self) -> str:
        """The folder."""


class DriverLock:
    """The right to drive `record`'s run. Not reentrant; a child made by fork alone shares it, by exec not.

    `name` names the two files, for what else a process may hold in a folder of a store.
    `beat_seconds=0` starts no thread: the holder calls `beat()` itself, at least every `PATIENCE / 2`
    seconds.
    """

    def __init__(
        self,
        record: Place,
        *,
        beat_seconds: float = BEAT_SECONDS,
        patience: float = PATIENCE,
        name: str = "driver",
    ) -> None:
        self._store = record.store
        self._key = f"{record.prefix}/{name}.json"
        self._file = record.store.local_path(f"{record.prefix}/{name}.lock")
        self._beat_seconds = beat_seconds
        self._patience = patience
        self._descriptor: int | None = None
        self._mine: Holder | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.succeeds: Holder | None = None
        """Who held the lock before this object took it and never gave it back: that process died, or was cut off."""

    def acquire(self) -> bool:
        """Takes the lock if it is free; does not wait. Raises `StoreError` where it cannot be written."""
        if self._mine:
            return self.is_held_here()
        if self._file is not None and not self._take_file():
            return False
        try:
            found = self._read()
            if self._is_free(found) and self._claim():
                self.succeeds = found
                self._start_beating()
                return True
        except BaseException:
            self._drop_file()
            raise
        self._drop_file()
        return False

    def is_held_here(self) -> bool:
        """Whether this object holds the lock, as far as its last beat could see."""
        return self._mine is not None

    @property
    def token(self) -> str:
        """What tells this hold of the lock from every other; empty where it is not held."""
        return self._mine.token if self._mine else ""

    def holder(self) -> Holder | None:
        """Who holds the lock now, None if nobody: a dead process and an earlier boot hold nothing."""
        if self._mine:
            return self._mine
        found = self._read()
        if self._file is not None and found is None:
            return None if self._file_is_free() else Holder.unknown()
        if found is None or self._is_free(found, probe=True):
            return None
        return found

    def beat(self) -> bool:
        """Says that the holder lives; False, and no longer held, if another machine took the lock over."""
        if not self._mine:
            return False
        found = self._read()
        if found is not None and found.token != self._mine.token:
            self._mine = None
            self._drop_file()
            return False
        self._mine = self._mine.next_beat()
        self._write(self._mine)
        return True

    def release(self) -> None:
        """Gives the lock back; doing it twice is no error."""
        self._stop.set()
        if self._thread and self._thread is not threading.current_thread():
            self._thread.join(timeout=30)
        self._thread = None
        mine, self._mine = self._mine, None
        try:
            if mine and (found := self._read()) and found.token == mine.token:
                self._store.delete(self._key)
        finally:
            self._drop_file()

    def __enter__(self) -> DriverLock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _is_free(self, found: Holder | None, *, probe: bool = False) -> bool:
        """Whether `found` holds nothing. With the kernel's lock in our hands, one of this kernel is dead."""
        if found is None:
            return True
        me = this_process()
        if found.boot_id == me.boot_id:
            if self._file is not None:
                return self._file_is_free() if probe else True
            if found.pid_space == me.pid_space:
                return not found.is_running_here()
        elif found.host == me.host:
            return True  # this machine, before its last boot
        return self._has_stopped_beating(found)

    def _has_stopped_beating(self, found: Holder) -> bool:
        now, place = time.monotonic(), (self._store.url, self._key)
        seen = _seen.get(place)
        if seen is None or seen[:2] != (found.token, found.beats):
            seen = _seen[place] = (found.token, found.beats, now)
        return now - seen[2] >= self._patience

    def _claim(self) -> bool:
        mine = this_process(token=os.urandom(8).hex())
        if self._file is not None:
            self._write(mine)
        elif not self._store.exists(self._key):
            if not self._store.create(self._key, encode(mine.to_json())):
                return False
        else:
            # Two that take over the same dead lease at once: both write, both wait, the last writer stays.
            self._write(mine)
            time.sleep(_SETTLE_SECONDS)
            found = self._read()
            if found is None or found.token != mine.token:
                return False
        self._mine = mine
        return True

    def _start_beating(self) -> None:
        self._stop = threading.Event()
        if self._beat_seconds > 0:
            self._thread = threading.Thread(
                target=self._beat_on, args=(self._stop,), name="driver-lock", daemon=True
            )
            self._thread.start()

    def _beat_on(self, stop: threading.Event) -> None:
        from ..spec.errors import TrainingError

        while not stop.wait(self._beat_seconds):
            try:
                if not self.beat():
                    return
            except TrainingError:
                continue  # the store may answer the next time; others give us PATIENCE seconds

    def _read(self) -> Holder | None:
        """Who says that it holds the lock; None also where what it said is damaged.

        Whoever lives says it anew within seconds, and in a folder the kernel's lock decides in any case.
        """
        try:
            return Holder.from_json(decode(self._store.read(self._key), self._key))
        except (NotFound, DamagedDocument):
            return None

    def _write(self, holder: Holder) -> None:
        self._store.write(self._key, encode(holder.to_json()), durable=False)

    def _take_file(self) -> bool:
        assert self._file is not None
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._file, os.O_CREAT | os.O_RDWR, 0o666)
        except OSError as error:
            raise StoreError(f"{self._file} cannot be written: {error.strerror or error}") from error
        for _ in range(_TRIES):
            if try_lock(descriptor):
                self._descriptor = descriptor
                return True
            time.sleep(0.005)  # `holder()` of another process takes it for an instant, to look
        os.close(descriptor)
        return False

    def _file_is_free(self) -> bool:
        assert self._file is not None
        try:
            descriptor = os.open(self._file, os.O_RDWR)
        except OSError:
            return not self._file.exists()
        try:
            return try_lock(descriptor)
        finally:
            os.close(descriptor)

    def _drop_file(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def to_json(self) -> dict[str, Any] | None:
        """The holder as JSON, for `attempt.json`'s `supervisor`; None if nobody."""
        found = self.holder()
        return found.to_json() if found else None
