"""Keeps MLflow up to date beside a live attempt, in a thread that nothing waits for longer than it says."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable

from ..record.attempt import Attempt
from ..record.files import OURS, try_lock
from ..record.record import Record
from ..spec.errors import TrainingError
from .place import Place, place_of
from .tracked import is_behind
from .troubles import RunDeleted, TrackingError

log = logging.getLogger(__name__)
_EVERY_SECONDS = 2.0
_PAUSE_SECONDS = 15.0
"""The longest pause between two tries while MLflow does not answer; the first one is short."""


class Tracker:
    """Tracks one attempt from `begin` to `end`. `metrics_rank` is asked each time, because it may change."""

    def __init__(
        self, record: Record, attempt: Attempt, place: Place, metrics_rank: Callable[[], int]
    ) -> None:
        self._attempt = attempt
        self._place = place
        self._metrics_rank = metrics_rank
        from .writer import Writer  # most runs are not tracked, and ranks wait for what their driver loads

        self._writer = Writer(record, attempt, place)
        self._was_tried = threading.Event()
        self._has_ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"track-{attempt.run_id}", daemon=True)

    @classmethod
    def of(cls, record: Record, attempt: Attempt) -> Tracker | None:
        """A tracker that has begun; None where the run is not tracked, or MLflow knows all of it."""
        place = place_of(record.run_document().job, attempt.store)
        document = attempt.document()
        if place is None or (document.status.is_terminal and not is_behind(attempt, document)):
            return None
        tracker = cls(record, attempt, place, lambda: record.run_document().job.metrics_rank)
        tracker.begin()
        return tracker

    def begin(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def variables(self, patience: float) -> dict[str, str]:
        """What the ranks find in their environment; nothing where MLflow has not answered by now.

        Waits for its first answer, `patience` seconds at most.
        """
        self._was_tried.wait(patience)
        ids = self._writer.tracked.variables
        return {"MLFLOW_TRACKING_URI": self._place.uri, **ids} if ids else {}

    def end(self) -> None:
        """The attempt has its outcome: the thread sends what is left and ends."""
        self._has_ended.set()

    def join(self, patience: float) -> None:
        """Waits for what is left to be sent, `patience` seconds at most."""
        self._thread.join(patience)

    def _run(self) -> None:
        lock = os.open(self._attempt.folder / f"{OURS}tracking.lock", os.O_CREAT | os.O_RDWR, 0o666)
        try:
            if try_lock(lock):  # else another process sends it
                self._follow()
        finally:
            self._was_tried.set()
            os.close(lock)

    def _follow(self) -> None:
        pause = 0.0
        while not self._has_ended.wait(pause):
            if self._writer.tracked.is_deleted:
                return
            if self._tried(self._bring_up_to_date):
                pause = _EVERY_SECONDS
            else:
                pause = min(_PAUSE_SECONDS, max(_EVERY_SECONDS, 2 * pause))
            self._was_tried.set()
        if self._attempt.document().status.is_terminal and not self._writer.tracked.is_deleted:
            self._tried(lambda: self._writer.end(self._metrics_rank()))

    def _bring_up_to_date(self) -> None:
        if not self._was_tried.is_set():
            self._writer.open()
            self._was_tried.set()
        self._writer.bring_up_to_date(self._metrics_rank())

    def _tried(self, step: Callable[[], None]) -> bool:
        try:
            step()
        except RunDeleted as error:
            self._warn(error.warning, is_deleted=True)
            return False
        except TrackingError as error:
            self._warn(error.warning)
            return False
        except TrainingError as error:
            self._warn(TrackingError(error.message).warning)
            return False
        except Exception as error:
            log.exception("tracking attempt %s of %s", self._attempt.number, self._attempt.run_id)
            mistake = f"a mistake of pulumi-training's own, {type(error).__name__}: {error}"
            self._warn(TrackingError(mistake).warning)
            return False
        return True

    def _warn(self, words: str, *, is_deleted: bool = False) -> None:
        """Once for each trouble, in the record; a record that cannot be written has said so itself."""
        try:
            if self._writer.warn(words, is_deleted=is_deleted):
                log.warning("attempt %s of %s: %s", self._attempt.number, self._attempt.run_id, words)
                self._attempt.event("warning", words)
        except TrainingError as error:
            log.warning("attempt %s of %s: %s", self._attempt.number, self._attempt.run_id, error.message)
