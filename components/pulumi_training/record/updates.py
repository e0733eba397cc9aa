"""Updates that wait for runs: a folder of the store for each plugin process that does, `updates/<token>/`.

It has a lock that lives as long as the process (`record.lock`), and one document for each run that the process took in
hand. An update that came to its end takes the folder away. One that was killed leaves it, and so names the runs that no
state may have: a run is the state's only when the engine has written it there.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ..spec.errors import TrainingError, TransientError
from .documents import decode, encode
from .lock import DriverLock
from .record import Record
from .store import NotFound, Store

_ROOT = "updates"
_LOCK = "update"


@dataclass(frozen=True)
class _Place:
    """What the lock is in."""

    store: Store
    prefix: str


@dataclass(frozen=True)
class Taken:
    """A run that an update took in hand: for which resource, and for which backend (empty where nobody can tell)."""

    run_id: str
    urn: str = ""
    backend: str = ""


class Update:
    """This process's own update in one store; from `take` on it is seen by everybody who looks."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._guard = threading.Lock()
        self._prefix = ""
        self._lock: DriverLock | None = None
        self._taken: set[Taken] = set()

    def take(self, taken: Taken) -> None:
        """Says that this process waits for a run. Before the intent, so that no live run is ever without it."""
        with self._guard:
            if self._lock is None:
                self._prefix = f"{_ROOT}/{os.urandom(8).hex()}"
                lock = DriverLock(_Place(self.store, self._prefix), name=_LOCK)
                lock.acquire()
                self._lock = lock
            if taken in self._taken:
                return
            document = {"urn": taken.urn, "backend": taken.backend}
            self.store.write(f"{self._prefix}/runs/{taken.run_id}.json", encode(document), durable=False)
            self._taken.add(taken)

    def end(self) -> None:
        """The engine has read every answer: nothing is left to be said. Twice is no error."""
        with self._guard:
            lock, self._lock = self._lock, None
            self._taken.clear()
            if lock is not None:
                with suppress(TrainingError):  # where its words cannot be read, they go all the same
                    lock.release()
                self.store.delete(self._prefix)


@dataclass(frozen=True)
class Seen:
    """Somebody's update, as found in a store."""

    store: Store = field(repr=False)
    token: str
    lock: DriverLock = field(repr=False)
    taken: tuple[Taken, ...]

    def is_alive(self) -> bool:
        """Whether its process lives. One of another machine that is met for the first time does."""
        try:
            return self.lock.holder() is not None
        except TransientError:
            raise
        except TrainingError:
            return True  # its words are damaged, and nobody can tell

    def forget(self) -> None:
        """Takes away what a dead one left."""
        self.store.delete(f"{_ROOT}/{self.token}")


def updates(store: Store) -> Iterator[Seen]:
    """Every update of the store that is under way or was killed. Look at the states after this, never before.

    An update goes away when the state has its runs, so what is not here any more is there.
    """
    for token in store.children(_ROOT):
        prefix = f"{_ROOT}/{token}"
        names = [name.removesuffix(".json") for name in store.children(f"{prefix}/runs")]
        taken = tuple(_taken(store, prefix, name) for name in names)
        yield Seen(store, token, DriverLock(_Place(store, prefix), name=_LOCK), taken)


def waited_for(store: Store) -> set[str]:
    """The ids of the runs that a living update waits for."""
    return {taken.run_id for seen in updates(store) if seen.is_alive() for taken in seen.taken}


def is_waited_for(record: Record, backend: str) -> bool:
    """Whether a living update of that backend waits for the run."""
    wanted = {(t.run_id, t.backend) for seen in updates(record.store) if seen.is_alive() for t in seen.taken}
    return (record.run_id, backend) in wanted


def _taken(store: Store, prefix: str, run_id: str) -> Taken:
    key = f"{prefix}/runs/{run_id}.json"
    try:
        document: dict[str, Any] = decode(store.read(key), key)
    except NotFound:
        return Taken(run_id)
    except TransientError:
        raise
    except TrainingError:
        return Taken(run_id)  # the name says which run, and a living update is believed without its words
    return Taken(run_id, str(document.get("urn") or ""), str(document.get("backend") or ""))
