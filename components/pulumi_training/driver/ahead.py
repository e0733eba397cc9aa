"""The submission of a run by the process that was asked for it, before the supervisor that takes over has loaded.

A supervisor's loading takes a core for as long as a container's start does, which wants it too. Where submission is a
matter of requests to a backend, the plugin, which has all loaded, makes them first; it holds the driver's lock. The
supervisor stands by behind it and loads when the submission is over, or the plugin is: one that dies in between leaves
what a supervisor would have left.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from ..record.lock import DriverLock
from ..record.record import Record
from ..spec.errors import TrainingError
from ..targets import catalog
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
        """None where the supervisor is to do it: the plan is not made yet, or enough are at it already."""
        if record.attempt(number).document().plan is None or not is_wanted(record):
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

    def start(self, release: Callable[[], None]) -> None:
        """Begins; nobody waits for the end. `release` is called then, for the supervisor to take over.

        The ranks of what was submitted start first: they want the cores now, and it has time.
        """

        def submit() -> None:
            try:
                self.submit()
                if self._record.attempt(self._number).document().handle is not None:
                    time.sleep(_HEAD_START_SECONDS)
            finally:
                release()

        threading.Thread(target=submit, name=f"submit-{self._record.run_id}", daemon=True).start()

    def submit(self) -> None:
        """Submits, and leaves what goes wrong to the supervisor, which finds the same."""
        from .passage import CancelRequested, Passage

        try:
            with self._lock:
                run = self._record.run_document()
                attempt = self._record.attempt(self._number)
                document = attempt.document()
                target = catalog.get(document.target, document.target_package)
                policy = Policy.of(run.job)
                Passage(self._record, attempt, target, policy, self._base, self._secrets).submit()
        except CancelRequested:
            pass  # the supervisor sees it too
        except (TrainingError, OSError) as error:
            log.info(
                "attempt %s of %s is left to its supervisor: %s", self._number, self._record.run_id, error
            )
        finally:
            _turns.release()


def is_wanted(record: Record) -> bool:
    """Whether a run may be submitted ahead at all.

    Not where nobody waits for it, because then this process may be ended in the middle; nor where the store has not the
    kernel's locks, because there a hold of the lock costs requests of its own.
    """
    return record.store.is_local and record.run_document().job.wait


_HEAD_START_SECONDS = 0.1
_turns = threading.Semaphore(2)
"""More at once would only take the plugin's one interpreter from each other."""
