"""Runs that an update of this backend took in hand, was killed, and whose state never got them: told by the next Check.

Where the state holds components only, the engine starts no plugin for `destroy`, so nothing of ours can stop them then.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from ..record.backend import Backend
from ..record.record import Record
from ..record.stack_files import states
from ..record.store import Store
from ..record.updates import Seen, Taken, updates
from ..spec.document import UnreadableDocument
from ..spec.errors import TrainingError
from .attendance import Attendance


@dataclass(frozen=True)
class _Lost:
    taken: Taken
    status: str

    def __str__(self) -> str:
        return (
            f"run {self.taken.run_id} is {self.status}, and no stack has it: the update that began it was killed "
            f"({self.taken.urn}). `pulumi up` of a program that has the job adopts it, `pulumi-training cancel "
            f"{self.taken.run_id}` stops it"
        )


class LostRuns:
    """Looks once into each store, and says each run once, for as long as the plugin lives."""

    def __init__(self, attendance: Attendance) -> None:
        self._attendance = attendance
        self._guard = threading.Lock()
        self._left: dict[str, list[_Lost]] = {}

    def words(self, store: Store, run_id: str | None) -> list[str]:
        """What is to be said beside a resource whose run is, or will be, `run_id`: of that one its Create speaks."""
        with self._guard:
            if store.url not in self._left:
                self._left[store.url] = self._look(store)
            left = self._left[store.url]
            self._left[store.url] = [lost for lost in left if lost.taken.run_id == run_id]
        return [str(lost) for lost in left if lost.taken.run_id != run_id]

    def _look(self, store: Store) -> list[_Lost]:
        backend = self._attendance.backend
        if backend is None:
            return []
        try:
            seen = list(updates(store))
            alive = {token for token in seen if token.is_alive()}
            waited = {taken.run_id for each in alive for taken in each.taken}
            found: list[_Lost] = []
            for dead in seen:
                if dead not in alive:
                    found += self._lost(dead, backend, waited)
        except TrainingError:
            return []  # a store that does not answer is spoken of by whoever needs it
        return found

    def _lost(self, dead: Seen, backend: Backend, waited: set[str]) -> list[_Lost]:
        """The runs that nobody has; where every run of it is settled, what a dead update left goes away."""
        unsettled = [(taken, status) for taken in dead.taken if (status := _status(dead.store, taken))]
        if not unsettled:
            dead.forget()
            return []
        return [
            _Lost(taken, status)
            for taken, status in unsettled
            if taken.backend == backend.digest and taken.run_id not in waited and not _is_held(taken, backend)
        ]


def _status(store: Store, taken: Taken) -> str | None:
    """Where a run stands that no state is known to have; None where it has ended or a Diff has seen it."""
    try:
        document = Record(store, taken.run_id).newest_document()
    except UnreadableDocument:
        return None  # `orphans` and `doctor` name it
    if document is None or document.acknowledged:
        return None
    return None if document.is_over else document.status.value


def _is_held(taken: Taken, backend: Backend) -> bool:
    """Whether a state of a file backend has it, or cannot be read; of others a Diff tells, by its acknowledgement."""
    if backend.folder is None:
        return False
    try:
        return any(taken.run_id in found.runs for found in states(backend.folder))
    except TrainingError:
        return True
