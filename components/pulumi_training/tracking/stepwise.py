"""Keeps MLflow up to date beside a live attempt, a step at a time, for a process that drives many at once."""

from __future__ import annotations

import os
from collections.abc import Mapping

from ..record.attempt import Attempt
from ..record.files import OURS, try_lock
from ..record.record import Record
from .login import logged_in
from .tracker import Tracker

EVERY_SECONDS = 2.0
_PAUSE_SECONDS = 15.0


class StepwiseTracker(Tracker):
    """See `Tracker`; no thread of its own. The steps are one at a time, whoever calls them."""

    _lock: int | None = None
    _secrets: Mapping[str, str] = {}
    _pause = 0.0

    @classmethod
    def with_secrets(
        cls, record: Record, attempt: Attempt, secrets: Mapping[str, str]
    ) -> StepwiseTracker | None:
        """As `of`; `secrets` open the tracking server."""
        tracker = cls.of(record, attempt)
        if not isinstance(tracker, StepwiseTracker):
            return None
        tracker._secrets = secrets
        return tracker

    def begin(self) -> None:
        """Takes the attempt's tracking for this process, where no other has it."""
        lock = os.open(self._attempt.folder / f"{OURS}tracking.lock", os.O_CREAT | os.O_RDWR, 0o666)
        if try_lock(lock):
            self._lock = lock
        else:
            os.close(lock)

    def variables(self, patience: float) -> dict[str, str]:
        """See `Tracker.variables`; the first step is taken here, and MLflow's own patience is the limit."""
        self.step()
        return super().variables(0.0)

    def step(self) -> float | None:
        """Sends what is new; the pause until the next step in seconds, None where there is nothing more to do."""
        if self._lock is None or self._writer.tracked.is_deleted:
            return None
        with logged_in(self._secrets):
            is_sent = self._tried(self._bring_up_to_date)
        self._was_tried.set()
        self._pause = EVERY_SECONDS if is_sent else min(_PAUSE_SECONDS, max(EVERY_SECONDS, 2 * self._pause))
        return self._pause

    def finish(self) -> None:
        """Sends the rest of an ended attempt and lets go of its tracking; of a live one only that."""
        if self._lock is None:
            return
        try:
            if self._attempt.document().status.is_terminal and not self._writer.tracked.is_deleted:
                with logged_in(self._secrets):
                    self._tried(lambda: self._writer.end(self._metrics_rank()))
        finally:
            self.let_go()

    def let_go(self) -> None:
        """Another process may send the rest."""
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)
