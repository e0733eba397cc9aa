"""The submission of a run by the process that was asked for it, while the supervisor that takes over still loads.

A supervisor's start costs as much as making its containers. Where submission is a matter of requests to a backend,
the plugin, which has all loaded, makes them meanwhile; it holds the driver's lock, and the supervisor waits behind it.
A plugin that dies in between leaves what a supervisor would have left.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from pathlib import Path

from ..record.lock import DriverLock
from ..record.record import Record
from ..spec.errors import TrainingError
from ..targets import catalog
from .passage import CancelRequested, Passage
from .policy import Policy

log = logging.getLogger(__name__)


class Ahead:
    """One submission ahead of the supervisor, from `of`, which takes the lock, to the end of the thread of `start`."""

    def __init__(
        self, record: Record, number: int, base: Path, secrets: Mapping[str, str], lock: DriverLock
    ) -> None:
        self._record = record
        self._number = number
        self._base = base
        self._secrets = secrets
        self._lock = lock

    @classmethod
    def of(cls, record: Record, number: int, base: Path, secrets: Mapping[str, str]) -> Ahead | None:
        """None where the supervisor is to do it: the plan is not made yet, or enough are at it already.

        So it is where nobody waits for the run, because then this process may be ended in the middle; and where the
        store has not the kernel's locks, because there a hold of the lock costs requests of its own.
        """
        if record.attempt(number).document().plan is None or not record.store.is_local:
            return None
        if not record.run_document().spec.get("wait", True):
            return None
        if not _turns.acquire(blocking=False):
            return None
        lock = DriverLock(record)
        try:
            if lock.acquire():
                return cls(record, number, base, secrets, lock)
        except BaseException:
            _turns.release()
            raise
        _turns.release()
        return None

    @property
    def token(self) -> str:
        """The hold of the lock that the supervisor waits for."""
        return self._lock.token

    def give_up(self) -> None:
        """Lets go of the lock where there is nobody to take over."""
        self._lock.release()
        _turns.release()

    def start(self) -> None:
        """Begins; nobody waits for the end, which the supervisor sees."""
        threading.Thread(target=self._submit, name=f"submit-{self._record.run_id}", daemon=True).start()

    def _submit(self) -> None:
        try:
            with self._lock:
                run = self._record.run_document()
                attempt = self._record.attempt(self._number)
                target = catalog.get(attempt.document().target)
                policy = Policy.of(run.spec)
                Passage(self._record, attempt, target, policy, self._base, self._secrets).submit()
        except CancelRequested:
            pass  # the supervisor sees it too
        except (TrainingError, OSError) as error:
            log.info(
                "attempt %s of %s is left to its supervisor: %s", self._number, self._record.run_id, error
            )
        finally:
            _turns.release()


_turns = threading.Semaphore(2)
"""More at once would only take the plugin's one interpreter from each other."""
