"""Watches a submitted attempt until it has ended, and shows how it goes: row, logs in the store, stops that are due."""

from __future__ import annotations

import logging
import time
from contextlib import suppress

from ..record.attempt import Attempt
from ..record.store import StoreError
from ..spec.errors import PermanentError, TrainingError, TransientError
from ..spec.outcome import Reason, Status
from ..spec.text import count
from ..targets.contract.handle import Handle
from ..targets.contract.observation import Observation
from ..targets.contract.run import RunSpec
from ..targets.contract.target import Target
from .patience import UNANSWERED_SECONDS, quietly
from .policy import Policy
from .row import Row

log = logging.getLogger(__name__)
WATCH_SECONDS = 0.05
REFUSED_SECONDS = 60.0
"""For how long this machine's own disk may take nothing of what comes from a target."""
_REFUSED_PAUSE = 10.0
"""A disk that took something for so long has room again."""
_SHOW_SECONDS = 0.5
_SYNC_SECONDS = 10.0
_LAST_WORDS_SECONDS = 30.0
"""How long what an ended attempt wrote may take to come."""
_CANCELER_SECONDS = 1.5
"""How long whoever asked for a stop has to carry it out, before the driver does."""


class Watching:
    """One attempt, watched once."""

    def __init__(self, attempt: Attempt, target: Target, run: RunSpec, policy: Policy) -> None:
        self._attempt = attempt
        self._target = target
        self._run = run
        self._policy = policy
        self._compute = run.compute_reference
        self._asked_to_stop: float | None = None
        self._refused_first = self._refused_last = float("-inf")

    def to_the_end(self, handle: Handle) -> Observation:
        """The observation of its end.

        Raises:
            PermanentError: the target has not answered for `UNANSWERED_SECONDS`.
            StoreError: this machine has taken nothing for `REFUSED_SECONDS`; the attempt goes on.
        """
        row = Row(self._attempt, self._policy.metrics_rank, prefers_lines=self._policy.shows_lines)
        shown = synced = answered = time.monotonic()
        is_running = False
        try:
            while True:
                now = time.monotonic()
                try:
                    seen = self._look(handle)
                except StoreError as error:
                    self._refused(error, now)
                    seen = Observation(Status.RUNNING)
                if seen.status is Status.NOT_RESPONDING:
                    self._not_responding(now - answered, seen.problem)
                else:
                    answered = now
                if seen.status.is_terminal or seen.status is Status.NOT_STARTED:
                    return self._last_look(handle, seen)
                if not is_running and seen.status is Status.RUNNING:
                    is_running = True
                    quietly(self._attempt.event, "running", count(self._policy.world_size, "rank"))
                if now - shown >= _SHOW_SECONDS:
                    shown = now
                    quietly(self._show, row, seen)
                    self._obey(handle, now)
                if now - synced >= _SYNC_SECONDS and not self._attempt.store.is_local:
                    synced = now
                    self._sync()
                time.sleep(WATCH_SECONDS)
        finally:
            self._target.release([handle])

    def _look(self, handle: Handle) -> Observation:
        """Has what the attempt writes brought here, then asks how it is. Raises StoreError."""
        with suppress(TransientError):  # which the answer to the question tells
            self._target.mirror(self._compute, handle, self._run.folder)
        return self._target.observe(self._compute, [handle])[handle]

    def _last_look(self, handle: Handle, seen: Observation) -> Observation:
        """The observation of the end once everything written has come: the ends of logs are among its facts.

        What does not come in time is left to collection.
        """
        deadline = time.monotonic() + _LAST_WORDS_SECONDS
        was_late = False
        while not self._is_mirrored(handle) and time.monotonic() < deadline:
            was_late = True
            time.sleep(WATCH_SECONDS)
        if not was_late:
            return seen
        again = self._target.observe(self._compute, [handle])[handle]
        return again if again.status is seen.status else seen

    def _is_mirrored(self, handle: Handle) -> bool:
        try:
            return self._target.mirror(self._compute, handle, self._run.folder)
        except TrainingError as error:
            log.warning("%s", error.message)
            return False

    def _refused(self, error: StoreError, now: float) -> None:
        """Waits for room: somebody may be making some. `now` is monotonic."""
        if now - self._refused_last > _REFUSED_PAUSE:
            self._refused_first = now
            quietly(self._attempt.update, progress=f"waiting: {error.message}")
        self._refused_last = now
        if now - self._refused_first > REFUSED_SECONDS:
            raise error

    def _obey(self, handle: Handle, now: float) -> None:
        """Stops an attempt whose canceler went away after asking and before it could see to it."""
        document = self._attempt.document()
        if not document.cancel_requested:
            return
        if self._asked_to_stop is None:
            self._asked_to_stop = now
        elif now - self._asked_to_stop > _CANCELER_SECONDS:
            self._target.cancel(self._compute, handle, self._policy.grace_of(document))

    def _show(self, row: Row, seen: Observation) -> None:
        changes = row.changes()
        if self._attempt.document().status is Status.NOT_RESPONDING and seen.status is Status.RUNNING:
            changes["status"] = Status.RUNNING
        if changes:
            self._attempt.update(**changes)

    def _sync(self) -> None:
        try:
            self._attempt.sync_logs()
        except TransientError as error:
            self._attempt.event(
                "sync", f"the store did not take the logs, which are kept here: {error.message}"
            )

    def _not_responding(self, seconds: float, problem: str) -> None:
        if self._attempt.document().status is not Status.NOT_RESPONDING:
            quietly(self._attempt.update, status=Status.NOT_RESPONDING, progress=f"no answer: {problem}")
        if seconds > UNANSWERED_SECONDS:
            raise PermanentError(
                Reason.TARGET_UNAVAILABLE, f"the target has not answered for {seconds:.0f} s: {problem}"
            )
