"""Watches a submitted attempt until it has ended, and shows how it goes: row, logs in the store, stops that are due."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from ..record.attempt import Attempt
from ..record.store import StoreError
from ..spec.errors import PermanentError, TrainingError, TransientError
from ..spec.outcome import Reason, Status
from ..targets.base import Handle, Observation, RunSpec, Target
from .policy import Policy
from .row import Row

log = logging.getLogger(__name__)
WATCH_SECONDS = 0.05
UNANSWERED_SECONDS = 600.0
"""For how long a target may say nothing of what was submitted to it."""
REFUSED_SECONDS = 60.0
"""For how long this machine's own disk may take nothing of what comes from a target."""
_REFUSED_PAUSE = 10.0
"""A disk that took something for so long has room again."""
_SHOW_SECONDS = 0.5
_SYNC_SECONDS = 10.0
_CANCELER_SECONDS = 1.5
"""How long whoever asked for a stop has to carry it out, before the driver does."""


class Watching:
    """One attempt, watched once."""

    def __init__(self, attempt: Attempt, target: Target, run: RunSpec, policy: Policy) -> None:
        self._attempt = attempt
        self._target = target
        self._run = run
        self._policy = policy
        self._asked_to_stop: float | None = None
        self._refused_first = self._refused_last = float("-inf")

    def to_the_end(self, handle: Handle) -> Observation:
        """The observation of its end.

        Raises:
            PermanentError: the target has not answered for `UNANSWERED_SECONDS`.
            StoreError: this machine has taken nothing for `REFUSED_SECONDS`; the attempt goes on.
        """
        watch = self._target.watch(self._run.compute)
        row = Row(self._attempt, self._policy.metrics_rank, prefers_lines=self._policy.shows_lines)
        shown = synced = answered = time.monotonic()
        is_running = False
        try:
            while True:
                now = time.monotonic()
                try:
                    seen = watch.observe(handle)
                    answered = now
                except TransientError:
                    seen = Observation(Status.NOT_RESPONDING)
                    self._not_responding(now - answered)
                except StoreError as error:
                    self._refused(error, now)
                    seen = Observation(Status.RUNNING)
                if seen.status.is_terminal or seen.status is Status.NOT_STARTED:
                    return seen
                if not is_running and seen.status is Status.RUNNING:
                    is_running = True
                    quietly(self._attempt.event, "running", f"{len(seen.ranks)} ranks")
                if now - shown >= _SHOW_SECONDS:
                    shown = now
                    quietly(self._show, row, seen)
                    self._obey(handle, now)
                if now - synced >= _SYNC_SECONDS and not self._attempt.store.is_local:
                    synced = now
                    self._sync()
                time.sleep(WATCH_SECONDS)
        finally:
            watch.close()

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
        if not self._attempt.document().cancel_requested:
            return
        if self._asked_to_stop is None:
            self._asked_to_stop = now
        elif now - self._asked_to_stop > _CANCELER_SECONDS:
            self._target.cancel(handle, self._policy.grace)

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

    def _not_responding(self, seconds: float) -> None:
        if self._attempt.document().status is not Status.NOT_RESPONDING:
            quietly(self._attempt.update, status=Status.NOT_RESPONDING)
        if seconds > UNANSWERED_SECONDS:
            raise PermanentError(
                Reason.TARGET_UNAVAILABLE, f"the target has not answered for {seconds:.0f} s"
            )


def quietly(step: Callable[..., object], *arguments: object, **named: object) -> None:
    """Does what is only for show: a full disk or a store that does not answer must not end a live run."""
    try:
        step(*arguments, **named)
    except TrainingError as error:
        log.warning("%s", error.message)
