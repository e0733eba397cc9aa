"""One attempt's way through a target: prepare, queue, submit or adopt, watch, and settle."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ..record.attempt import Attempt
from ..record.documents import AttemptDocument
from ..record.record import Record
from ..record.sources import keep
from ..record.store import StoreError
from ..spec.errors import PermanentError, TrainingError, TransientError
from ..spec.outcome import Outcome, Reason, Status
from ..spec.refusals import advice, is_of_this_machine
from ..targets.contract.capabilities import Queues
from ..targets.contract.handle import Handle
from ..targets.contract.observation import Observation
from ..targets.contract.plan import Plan
from ..targets.contract.target import Target
from .attempt_run import attempt_run, handle_of, record_plan
from .code import bring
from .patience import UNANSWERED_SECONDS, quietly
from .policy import Policy

if TYPE_CHECKING:
    from ..tracking.tracker import Tracker

log = logging.getLogger(__name__)
_QUEUE_SECONDS = 0.1
_SUBMISSION_SECONDS = 30.0
"""For how long a target may be away while an attempt is submitted, as a daemon that is started again."""
_PAUSE_SECONDS = 1.0
_TRACKING_SECONDS = 40.0
"""The longest wait for MLflow's first answer, which comes while the environment is made; loading MLflow takes most of it."""


_T = TypeVar("_T")


class CancelRequested(Exception):
    """Somebody asked to stop an attempt that was not submitted yet."""


class Passage:
    """Takes one attempt to its outcome; every step is skipped where the record says it was taken."""

    def __init__(
        self,
        record: Record,
        attempt: Attempt,
        target: Target,
        policy: Policy,
        base: Path,
        secrets: Mapping[str, str],
        tracker: Tracker | None = None,
    ) -> None:
        self._record = record
        self._tracker = tracker
        self._attempt = attempt
        self._target = target
        self._policy = policy
        self._run = attempt_run(record, attempt, base, secrets)
        self._submitted: Handle | None = None

    def take(self) -> Outcome:
        """The outcome, after it is in the record.

        Raises:
            TrainingError: what was submitted cannot be seen stopped, or the end cannot be written; the attempt
                stays live for whoever drives it next.
        """
        document = self._attempt.document()
        if document.status.is_terminal and document.outcome:
            return document.outcome
        return self._settled(self._guarded(self._run_to_end))

    def _settled(self, outcome: Outcome) -> Outcome:
        if isinstance(self._target, Queues):
            self._target.leave(self._run)
        self._see_amendments()
        from .settle import settle

        return settle(self._record, self._attempt, self._target, self._run, self._policy, outcome)

    def submit(self) -> None:
        """Submits, where that needs no wait, for the driver that comes next; it goes on from wherever this stops.

        Raises:
            TrainingError: something went wrong, of which the next driver makes an outcome when it finds the same.
        """
        document = self._attempt.document()
        if document.handle or document.cancel_requested or not document.plan or self._is_tracked():
            return
        plan = Plan.from_json(document.plan)
        if not plan.is_complete:
            return
        if isinstance(self._target, Queues) and self._target.enter(plan, self._run) is not None:
            return
        self._start(document, is_queued=True)

    def _is_tracked(self) -> bool:
        return bool(self._run.compute.get("trackingUri"))

    def _guarded(self, step: Callable[[], _T]) -> _T | Outcome:
        """Turns whatever goes wrong into an outcome, after what was submitted is seen stopped.

        But for a disk of this machine that takes nothing, and for code that is not there any more, as an upgrade may
        take it away: no training ends for that, and none is counted as begun. The next driver goes on from there.
        """
        try:
            return step()
        except CancelRequested:
            outcome = Outcome(Reason.CANCELED, "canceled before it started")
        except (StoreError, OSError) as error:
            if is_of_this_machine(error):
                raise _stuck(error) from error
            what = "the system refused: " if isinstance(error, OSError) else ""
            outcome = Outcome(Reason.LAUNCH_FAILED, f"{what}{error}")
        except PermanentError as error:
            outcome = Outcome(error.reason, error.message, log_tail=error.log_tail)
        except TransientError as error:
            outcome = Outcome(Reason.TARGET_UNAVAILABLE, error.message)
        except TrainingError as error:
            outcome = Outcome(Reason.LAUNCH_FAILED, error.message)
        except Exception as error:
            if isinstance(error, ImportError | SyntaxError) and self._was_begun():
                raise
            log.exception("attempt %s of %s", self._attempt.number, self._run.run_id)
            outcome = Outcome(
                Reason.LAUNCH_FAILED,
                f"a mistake of pulumi-training's own, {type(error).__name__}: {error}; the traceback is in "
                f"{self._run.folder / 'launch' / 'supervisor.log'}",
            )
        if self._submitted is not None:
            grace = self._policy.grace_of(self._attempt.document())
            self._target.cancel(self._run.compute_reference, self._submitted, grace)
            document = self._attempt.document()
            if document.handle is None:
                self._clear(self._submitted)
                if document.cancel_requested:
                    outcome = Outcome(Reason.CANCELED, "canceled before it started")
        return outcome

    def _was_begun(self) -> bool:
        """Whether the code was there to bring the run so far: this attempt was submitted, or follows another one."""
        document = self._attempt.document()
        return document.handle is not None or document.notes.retry_of is not None

    def _clear(self, handle: Handle) -> None:
        """Takes away what was not submitted whole, for nobody collects it; what stays is removed with the resource."""
        try:
            self._target.remove(self._run.compute_reference, handle)
        except (TrainingError, OSError) as error:
            log.warning("attempt %s of %s: %s", self._attempt.number, self._run.run_id, error)

    def _run_to_end(self) -> Outcome:
        return self._watch(self._found_or_started())

    def _found_or_started(self) -> Handle:
        document = self._attempt.document()
        handle = handle_of(self._attempt, document) if document.handle else self._left_behind(document)
        self._submitted = handle
        return handle or self._start(document)

    def _left_behind(self, document: AttemptDocument) -> Handle | None:
        """What a process before this one submitted and had no time to write down.

        Asked before the queue is entered: such an attempt runs, or ran, already. A target that does not queue
        finds it at submission.
        """
        if not isinstance(self._target, Queues):
            return None
        handle = Handle.of(self._target.name, self._run)
        self._submitted = handle  # it may be: it is not left alone because the target does not answer now
        seen = self._patiently(lambda: self._answered(handle), UNANSWERED_SECONDS)
        if seen.status is Status.NOT_STARTED:
            return None
        self._note_submission(handle, (document.plan or {}).get("summary", ""))
        return handle

    def _answered(self, handle: Handle) -> Observation:
        seen = self._target.observe(self._run.compute_reference, [handle])[handle]
        if seen.status is Status.NOT_RESPONDING:
            raise TransientError(seen.problem)
        return seen

    def _start(self, document: AttemptDocument, *, is_queued: bool = False) -> Handle:
        self._raise_if_canceled()
        bring(self._attempt)
        self._keep_source()
        if document.plan and Plan.from_json(document.plan).is_complete:
            plan = Plan.from_json(document.plan)
        else:
            plan = self._prepare()
        if not is_queued:
            self._queue(plan)
        self._see_amendments()
        if self._tracker is not None:
            tracking = self._tracker.variables(_TRACKING_SECONDS)
            self._run = replace(self._run, tracking=tracking)
            self._raise_if_canceled()
        self._submitted = Handle.of(self._target.name, self._run)
        self._submitted = handle = self._patiently(
            lambda: self._target.submit(plan, self._run), _SUBMISSION_SECONDS
        )
        self._note_submission(handle, plan.summary)
        self._note_lineage()
        return handle

    def _patiently(self, step: Callable[[], _T], seconds: float) -> _T:
        """Does a step that may be done again, until the target answers, or for so long that it is taken for gone."""
        began = time.monotonic()
        while True:
            try:
                return step()
            except TransientError as error:
                if time.monotonic() - began > seconds:
                    raise
                quietly(self._tell, f"the target does not answer: {error.message}")
                time.sleep(_PAUSE_SECONDS)

    def _see_amendments(self) -> None:
        """Limits, bounds and policies may have changed in place since this driver began."""
        run = self._record.run_document()
        self._run = replace(self._run, document=run.spec)
        self._policy = Policy.of(run.job)

    def _note_submission(self, handle: Handle, summary: str) -> None:
        self._attempt.update(
            status=Status.RUNNING,
            handle=handle.to_json(),
            started_at=self._attempt.document().started_at or time.time(),
            queue_position=None,
            progress=f"running {summary}".rstrip(),
        )
        self._attempt.event("submitted", f"attempt {self._attempt.number} was submitted")

    def _prepare(self) -> Plan:
        self._attempt.update(status=Status.PREPARING, progress="preparing")
        self._attempt.event("preparing")
        from .resume import resume_folder

        resume_from = resume_folder(
            self._record, self._attempt, self._run.document["resumeFrom"], self._run.base
        )
        self._run = replace(self._run, resume_from=resume_from)
        prepared = self._target.prepare(self._run, self._tell)
        self._raise_if_canceled()
        plan = self._target.plan(self._run, prepared)
        record_plan(self._attempt, plan, prepared)
        return plan

    def _queue(self, plan: Plan) -> None:
        if not isinstance(self._target, Queues):
            return
        before = self._attempt.document().queued_at
        # A driver before this one may have waited already; a clock that was set back counts for nothing.
        began = time.monotonic() - (max(0.0, time.time() - before) if before else 0.0)
        shown = -1
        while (place := self._target.enter(plan, self._run)) is not None:
            if place != shown:
                shown = place
                self._attempt.update(
                    status=Status.QUEUED,
                    queue_position=place,
                    progress=f"queued, place {place}",
                    queued_at=self._attempt.document().queued_at or time.time(),
                )
                self._attempt.event("queued", f"place {place} in the queue")
            self._raise_if_canceled()
            waited = time.monotonic() - began
            if self._policy.queue_timeout is not None and waited > self._policy.queue_timeout:
                from ..spec.text import count

                raise PermanentError(
                    Reason.QUEUE_TIMEOUT,
                    f"waited {waited:.0f} s for {count(plan.slots, 'slot')}, longer than queueTimeoutSeconds allows",
                )
            time.sleep(min(2.0, _QUEUE_SECONDS * (1 + place)))  # those far behind look less often
        self._raise_if_canceled()

    def _keep_source(self) -> None:
        """Archives the source once for each digest, before data or the script's own files come into its copy."""
        keep(self._attempt.store, self._run.code, self._attempt.document().notes.tree_digest)

    def _note_lineage(self) -> None:
        """Notes the source's commit, once the run is on its way and nobody waits for git."""
        from .lineage import git_state

        state = git_state(self._run.base / str(self._run.document["sourceDirectory"]))
        if state is not None:
            self._attempt.update(notes=self._attempt.document().notes.changed(git=state))

    def _watch(self, handle: Handle) -> Outcome:
        from .preload import Preload
        from .watching import Watching

        rest = Preload(self._target, self._run.document)
        rest.begin()
        try:
            seen = Watching(self._attempt, self._target, self._run, self._policy).to_the_end(handle)
        finally:
            rest.stop()
        if seen.launch is None and self._attempt.document().cancel_requested:
            return Outcome(Reason.CANCELED, "canceled on request; it had to be killed")
        from ..spec.attribution import attribute

        return attribute(seen.launch, seen.ranks)

    def _tell(self, line: str) -> None:
        self._attempt.update(progress=line)
        self._raise_if_canceled()

    def _raise_if_canceled(self) -> None:
        if self._attempt.document().cancel_requested:
            raise CancelRequested


def _stuck(error: StoreError | OSError) -> StoreError:
    if isinstance(error, StoreError):
        return error
    place = f"{error.filename}: " if error.filename else ""
    return StoreError(f"this machine took no more: {place}{advice(error, 'another folder')}")
