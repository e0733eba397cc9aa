"""One attempt's way through a target: prepare, queue, submit or adopt, watch, and settle."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from ..record.attempt import Attempt
from ..record.documents import AttemptDocument
from ..record.record import Record
from ..record.sources import keep
from ..spec.attribution import attribute
from ..spec.errors import PermanentError, TrainingError, TransientError
from ..spec.outcome import Outcome, Reason, Status
from ..targets.base import Handle, Observation, Plan, Prepared, Queues, RunSpec, Target
from .lineage import git_state
from .policy import Policy
from .resume import resume_folder
from .row import Row
from .settle import settle

log = logging.getLogger(__name__)
WATCH_SECONDS = 0.05
_QUEUE_SECONDS = 0.1
_SHOW_SECONDS = 0.5
_SYNC_SECONDS = 10.0
_UNANSWERED_SECONDS = 600.0


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
    ) -> None:
        self._record = record
        self._attempt = attempt
        self._target = target
        self._policy = policy
        self._run = attempt_run(record, attempt, base, secrets)

    def take(self) -> Outcome:
        """The outcome, after it is in the record."""
        document = self._attempt.document()
        if document.status.is_terminal and document.outcome:
            return document.outcome
        outcome = self._guarded(self._run_to_end)
        return settle(self._record, self._attempt, self._target, self._run, self._policy, outcome)

    def _guarded(self, step: Callable[[], Outcome]) -> Outcome:
        """Turns whatever goes wrong into an outcome: nothing is left without an end."""
        try:
            return step()
        except CancelRequested:
            return Outcome(Reason.CANCELED, "canceled before it started")
        except PermanentError as error:
            return Outcome(error.reason, error.message, log_tail=error.log_tail)
        except TransientError as error:
            return Outcome(Reason.TARGET_UNAVAILABLE, error.message)
        except TrainingError as error:
            return Outcome(Reason.LAUNCH_FAILED, error.message)
        except OSError as error:
            return Outcome(Reason.LAUNCH_FAILED, f"the system refused: {error}")
        except Exception as error:
            log.exception("attempt %s of %s", self._attempt.number, self._run.run_id)
            return Outcome(
                Reason.LAUNCH_FAILED,
                f"a mistake of pulumi-training's own, {type(error).__name__}: {error}; the traceback is in "
                f"{self._run.folder / 'launch' / 'supervisor.log'}",
            )
        finally:
            if isinstance(self._target, Queues):
                self._target.leave(self._run)

    def _run_to_end(self) -> Outcome:
        document = self._attempt.document()
        handle = Handle(**document.handle) if document.handle else self._start(document)
        return self._watch(handle)

    def _start(self, document: AttemptDocument) -> Handle:
        if document.plan and Plan.from_json(document.plan).is_complete:
            plan = Plan.from_json(document.plan)
        else:
            plan = self._prepare()
        self._queue(plan)
        self._keep_source()
        handle = self._target.submit(plan, self._run)
        self._attempt.update(
            status=Status.RUNNING,
            handle=handle.to_json(),
            started_at=time.time(),
            queue_position=None,
            progress=f"running {plan.summary}".rstrip(),
        )
        self._attempt.event("submitted", f"attempt {self._attempt.number} was submitted")
        self._note_lineage()
        return handle

    def _prepare(self) -> Plan:
        self._attempt.update(status=Status.PREPARING, progress="preparing")
        self._attempt.event("preparing")
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
        began, shown = time.monotonic(), -1
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
                raise PermanentError(
                    Reason.QUEUE_TIMEOUT,
                    f"waited {waited:.0f} s for {plan.slots} slots, longer than queueTimeoutSeconds allows",
                )
            time.sleep(min(2.0, _QUEUE_SECONDS * (1 + place)))  # those far behind look less often
        self._raise_if_canceled()

    def _keep_source(self) -> None:
        """Archives the source once for each digest, before the script can write into its copy."""
        keep(self._attempt.store, self._run.code, self._attempt.document().notes["tree_digest"])

    def _note_lineage(self) -> None:
        """Notes the source's commit, once the run is on its way and nobody waits for git."""
        state = git_state(self._run.base / str(self._run.document["sourceDirectory"]))
        if state is not None:
            self._attempt.update(notes={**self._attempt.document().notes, "git": state})

    def _watch(self, handle: Handle) -> Outcome:
        watch = self._target.watch(self._run.compute)
        row = Row(self._attempt, self._policy.metrics_rank, prefers_lines=self._policy.shows_lines)
        shown = synced = time.monotonic()
        answered = time.monotonic()
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
                if seen.status.is_terminal or seen.status is Status.NOT_STARTED:
                    return attribute(seen.launch, seen.ranks)
                if not is_running and seen.status is Status.RUNNING:
                    is_running = True
                    self._attempt.event("running", f"{len(seen.ranks)} ranks")
                if now - shown >= _SHOW_SECONDS:
                    shown = now
                    self._show(row, seen)
                if now - synced >= _SYNC_SECONDS and not self._attempt.store.is_local:
                    synced = now
                    self._sync()
                time.sleep(WATCH_SECONDS)
        finally:
            watch.close()

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
            self._attempt.update(status=Status.NOT_RESPONDING)
        if seconds > _UNANSWERED_SECONDS:
            raise PermanentError(
                Reason.TARGET_UNAVAILABLE, f"the target has not answered for {seconds:.0f} s"
            )

    def _tell(self, line: str) -> None:
        self._attempt.update(progress=line)
        self._raise_if_canceled()

    def _raise_if_canceled(self) -> None:
        if self._attempt.document().cancel_requested:
            raise CancelRequested


def attempt_run(record: Record, attempt: Attempt, base: Path, secrets: Mapping[str, str]) -> RunSpec:
    """An attempt as a target sees it, before it is known what it resumes from."""
    run = record.run_document()
    return RunSpec(run.run_id, attempt.number, run.spec, base, attempt.prepare_folder(), secrets)


def record_plan(attempt: Attempt, plan: Plan, prepared: Prepared) -> None:
    """Keeps what will be sent, and what it was prepared from."""
    attempt.update(
        plan=plan.to_json(),
        environment={
            "digest": prepared.digest,
            "packages": list(prepared.packages),
            "warnings": list(prepared.warnings),
        },
    )
    for warning in prepared.warnings:
        attempt.event("warning", warning)
