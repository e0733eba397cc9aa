"""One run in this process's hands: who it is, what drives it, and the steps that block."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path

from ...agent.facts import open_log
from ...record.lock import DriverLock
from ...record.record import Record
from ...spec.errors import PermanentError, TrainingError, mask
from ...spec.outcome import Outcome, Status
from ...targets import catalog
from ...targets.contract.handle import Handle
from ...targets.contract.observation import Observation
from ...tracking.stepwise import StepwiseTracker
from ..attempt_run import attempt_run
from ..drive import WAITS, lacks_secrets, next_attempt, note_driver
from ..last_word import LAST_WORD
from ..policy import Policy
from ..track import catch_up
from .lifecycle import UnattendedLifecycle
from .monitor import Monitor

log = logging.getLogger(__name__)


class DrivenRun:
    """Drives nothing by itself; each method is one step of the loop's, in a thread. `number` is the newest attempt."""

    def __init__(
        self, record: Record, number: int, base: Path, secrets: Mapping[str, str], lock: DriverLock
    ) -> None:
        self.record = record
        self.number = number
        self.base = base
        self.secrets = dict(secrets)
        self.lock = lock
        self.tracker: StepwiseTracker | None = None

    def waits(self) -> bool:
        """Whether the attempt cannot begin without secrets that this process was not given; its record says so then."""
        attempt = self.record.attempt(self.number)
        document = attempt.document()
        if not lacks_secrets(self.record.run_document().job, document, self.secrets):
            return False
        if document.progress != WAITS:
            attempt.event("waiting", WAITS)
            attempt.update(progress=WAITS)
        return True

    def begin(self) -> Monitor | None:
        """Submits or adopts the attempt; None where it has ended already.

        Raises:
            TrainingError: as `Passage.take`.
        """
        attempt = self.record.attempt(self.number)
        document = attempt.document()
        if document.is_live:
            note_driver(attempt)
        if self.tracker is None:
            self.tracker = StepwiseTracker.with_secrets(self.record, attempt, self.secrets)
        begun = self._lifecycle().begin()
        if isinstance(begun, Outcome):
            return None
        run = attempt_run(self.record, attempt, self.base, self.secrets)
        target = catalog.get(document.target, document.target_package)
        is_adopted = document.handle is not None
        return Monitor(self.record, attempt, target, run.compute_reference, begun, is_adopted=is_adopted)

    def conclude(self, handle: Handle, seen: Observation) -> None:
        """Settles an attempt whose end was seen. Raises `TrainingError` as `Passage.take`."""
        self._lifecycle().conclude(handle, seen)

    def end(self, monitor: Monitor, why: PermanentError | None) -> None:
        """Stops an attempt and settles it: for `why`, or as what is seen then. Raises `TrainingError`."""
        if why is not None:
            self._lifecycle().end(monitor.handle, why)
            return
        grace = monitor.policy.grace_of(monitor.attempt.document())
        monitor.target.cancel(monitor.compute, monitor.handle, grace)
        seen = monitor.target.observe(monitor.compute, [monitor.handle])[monitor.handle]
        self._lifecycle().conclude(monitor.handle, seen)

    def next_try(self) -> bool:
        """Makes the intent of the retry that is due: whether one is."""
        following = next_attempt(self.record, self.record.attempt(self.number))
        if following is None:
            return False
        self.number, self.tracker = following.number, None
        return True

    def pause(self) -> float:
        """Seconds that the attempt still waits before it begins: the retry policy's backoff, whoever intended it."""
        document = self.record.attempt(self.number).document()
        if document.notes.retry_of is None or document.status is not Status.NOT_STARTED:
            return 0.0
        if document.cancel_requested:
            return 0.0
        policy = Policy.of(self.record.run_document().job)
        backoff = policy.backoff_after(document.tries - 1)
        return min(backoff, max(0.0, document.created_at + backoff - time.time()))

    def release(self) -> None:
        """Lets another process drive."""
        try:
            self.lock.release()
        except TrainingError as error:
            log.warning("%s: %s", self.record.run_id, error.message)

    def give_up(self, words: str) -> None:
        """Says why this driver ends before its run does, where that of a supervisor is looked for."""
        words = mask(" ".join(words.split()), self.secrets.values())
        log.warning("%s: %s", self.record.run_id, words)
        try:
            path = self.record.attempt(self.number).prepare_folder() / "launch" / "supervisor.log"
            with os.fdopen(open_log(str(path)), "ab") as file:
                file.write(f"{LAST_WORD}{words}\n".encode())
        except (TrainingError, OSError) as error:
            log.warning("%s: %s", self.record.run_id, error)

    def leave_tracking(self) -> None:
        """Lets go of the attempt's tracking; of a run that has ended a process of its own tells MLflow the rest."""
        if self.tracker is not None:
            self.tracker.let_go()
        try:
            document = self.record.newest_document()
        except TrainingError:
            return
        if document is not None and document.status.is_terminal:
            catch_up(self.record, self.base, self.secrets)

    def _lifecycle(self) -> UnattendedLifecycle:
        """Made anew for each step: while an attempt runs, nothing of it but its record is kept."""
        attempt = self.record.attempt(self.number)
        document = attempt.document()
        policy = Policy.of(self.record.run_document().job)
        target = catalog.get(document.target, document.target_package)
        return UnattendedLifecycle(
            self.record, attempt, target, policy, self.base, self.secrets, self.tracker
        )
