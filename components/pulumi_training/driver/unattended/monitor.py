"""One live attempt of a service: what was seen of it last, and what follows from that."""

from __future__ import annotations

import logging
import time

from ...record.attempt import Attempt
from ...record.record import Record
from ...spec.errors import PermanentError, TrainingError, TransientError
from ...spec.outcome import Reason, Status
from ...spec.text import count
from ...targets.contract.capabilities import Amends
from ...targets.contract.handle import ComputeReference, Handle
from ...targets.contract.observation import Observation
from ...targets.contract.target import Target
from ..patience import quietly
from ..policy import Policy
from ..row import Row
from .pace import Pace

log = logging.getLogger(__name__)
FASTEST_SECONDS, SLOWEST_SECONDS = 0.5, 3.0
_SYNC_SECONDS = 10.0
_CANCELER_SECONDS = 1.5
"""How long whoever asked for a stop has to carry it out, before the driver does."""
_SLACK_SECONDS = 30.0
"""How much longer than its limit and its grace an attempt may run at a service that keeps limits itself."""


class StopDue(Exception):
    """The attempt is to be stopped: for `why`, or because somebody asked and does not carry it out."""

    def __init__(self, why: PermanentError | None = None) -> None:
        self.why = why
        super().__init__(why.message if why else "canceled")


class Monitor:
    """Looks after one attempt from its submission to its end; `look` runs in a thread, one at a time.

    `compute` and `handle` are what the target is asked with. An adopted attempt is brought its limits once more:
    whoever changed them may not have reached the service.
    """

    def __init__(
        self,
        record: Record,
        attempt: Attempt,
        target: Target,
        compute: ComputeReference,
        handle: Handle,
        *,
        is_adopted: bool = False,
    ) -> None:
        self.attempt = attempt
        self.target = target
        self.compute = compute
        self.handle = handle
        self._seen: Observation | None = None
        self._record = record
        self._job = record.run_document().job
        self.policy = Policy.of(self._job)
        self._row = Row(attempt, self.policy.metrics_rank, prefers_lines=self.policy.shows_lines)
        self._pace = Pace(FASTEST_SECONDS, SLOWEST_SECONDS)
        self._noted: tuple[Status, str] | None = None
        self._is_amended = is_adopted
        self._asked_to_stop: float | None = None
        self._synced = time.monotonic()
        self.due = 0.0

    def take_in(self, seen: Observation) -> bool:
        """What the service says now, or why it says nothing: whether that is news. Blocks for nothing."""
        is_news = self._seen is None or (self._seen.status, self._seen.problem) != (seen.status, seen.problem)
        self._seen = seen
        if is_news:
            self.due = 0.0
        return is_news

    def look(self, least: float) -> None:
        """Brings the record up to date and obeys what is in it; `least` seconds pass until the next look.

        Raises:
            StopDue: a limit is reached, or somebody asked for it.
            TrainingError: the record cannot be read or written now.
        """
        began = time.monotonic()
        seen = self._seen
        is_new = False
        if seen is not None:
            self._note(seen)
            is_new = seen.status is Status.RUNNING and self._show()
        self._obey(began)
        if seen is not None and seen.status is not Status.NOT_RESPONDING:
            self._see_amendments()
        self._enforce(time.time())
        now = time.monotonic()
        if now - self._synced >= _SYNC_SECONDS and not self.attempt.store.is_local:
            self._synced = now
            self._sync()
        self.due = now + self._pace.after_answer(is_new=is_new, took=now - began, least=least)

    def is_mirrored(self) -> bool:
        """Brings the last of what an ended attempt wrote: whether all is here, as far as can be told."""
        try:
            return self.target.mirror(self.compute, self.handle, self.attempt.folder)
        except TrainingError as error:
            log.info("%s: %s", self.handle.run_id, error.message)
            return False

    def seen_again(self, seen: Observation) -> Observation:
        """What the service says of the end once more, where it says the same."""
        again = self.target.observe(self.compute, [self.handle])[self.handle]
        return again if again.status is seen.status else seen

    def _note(self, seen: Observation) -> None:
        """Brings a change of status into the record, once."""
        what = (seen.status, seen.problem)
        if what == self._noted or seen.status is Status.NOT_STARTED or seen.status.is_terminal:
            return
        was_away = self._noted is not None and self._noted[0] is Status.NOT_RESPONDING
        self._noted = what
        if seen.status is Status.NOT_RESPONDING:
            words = f"the target does not answer: {seen.problem}"
            quietly(self.attempt.update, status=seen.status, progress=words)
            return
        document = self.attempt.document()
        if seen.status is Status.RUNNING:
            words = (
                "running again"
                if was_away
                else f"running {(document.plan or {}).get('summary', '')}".rstrip()
            )
            started = document.started_at or seen.started_at or time.time()
            quietly(self.attempt.update, status=seen.status, started_at=started, progress=words)
            if document.started_at is None:
                quietly(self.attempt.event, "running", count(self.policy.world_size, "rank"))
        else:
            quietly(self.attempt.update, status=seen.status, progress=_WORDS.get(seen.status))

    def _show(self) -> bool:
        """Brings what the ranks wrote to this machine and shows it: whether there is anything new."""
        try:
            self.target.mirror(self.compute, self.handle, self.attempt.folder)
        except TransientError:
            return False  # the next answer to the question says it
        changes = self._row.changes()
        if changes:
            quietly(self.attempt.update, **changes)
        return bool(changes)

    def _obey(self, now: float) -> None:
        if not self.attempt.document().cancel_requested:
            return
        if self._asked_to_stop is None:
            self._asked_to_stop = now
            self._pace.hurry()
        elif now - self._asked_to_stop > _CANCELER_SECONDS:
            self._asked_to_stop = None
            raise StopDue

    def _see_amendments(self) -> None:
        """Another process may have changed limits, and the service may not have been within its reach."""
        job = self._record.run_document().job
        if job != self._job:
            self._job, self.policy = job, Policy.of(job)
            self._is_amended = True
        if not self._is_amended:
            return
        if isinstance(self.target, Amends):
            try:
                self.target.amend(self.compute, self.handle, job.document)
            except TransientError:
                return  # at the next look
        self._is_amended = False

    def _enforce(self, now: float) -> None:
        """The limits that a service does not keep, or keeps as they were at submission; `now` is since 1970 (UTC)."""
        document = self.attempt.document()
        if document.started_at is None:
            waited = now - (document.queued_at or now)
            if self.policy.queue_timeout is not None and waited > self.policy.queue_timeout:
                words = f"waited {waited:.0f} s for its nodes, longer than queueTimeoutSeconds allows"
                raise StopDue(PermanentError(Reason.QUEUE_TIMEOUT, words))
            return
        limit = self._job.max_run_duration_seconds
        if limit is None:
            return
        slack = self.policy.grace + _SLACK_SECONDS if isinstance(self.target, Amends) else 0.0
        if now - document.started_at > limit + slack:
            words = f"ran longer than the {limit:g} s of maxRunDurationSeconds"
            raise StopDue(PermanentError(Reason.RUN_TIMEOUT, words))

    def _sync(self) -> None:
        try:
            self.attempt.sync_logs()
        except TransientError as error:
            self.attempt.event(
                "sync", f"the store did not take the logs, which are kept here: {error.message}"
            )


_WORDS = {
    Status.QUEUED: "queued",
    Status.PROVISIONING: "waiting for machines",
    Status.PREPARING: "preparing",
}
