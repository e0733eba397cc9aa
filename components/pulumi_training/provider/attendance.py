"""What this plugin process is to others: the backend it works for, and the runs it waits for."""

from __future__ import annotations

import threading
from functools import cached_property

from ..record.backend import Backend, backend_of_engine
from ..record.record import Record
from ..record.updates import Taken, Update


class Attendance:
    """One for a process. `backend` is asked for once: the engine may be gone the next time."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._updates: dict[str, Update] = {}

    @cached_property
    def backend(self) -> Backend | None:
        """The backend of the engine; None where nobody can tell."""
        return backend_of_engine()

    def take(self, record: Record, urn: str) -> None:
        """Says in the store that this process waits for a run, before the run can live."""
        with self._guard:
            update = self._updates.setdefault(record.store.url, Update(record.store))
        update.take(Taken(record.run_id, urn, self.backend.digest if self.backend else ""))

    def end(self) -> None:
        """The engine has read every answer, and the state has the runs."""
        with self._guard:
            updates, self._updates = list(self._updates.values()), {}
        for update in updates:
            update.end()
