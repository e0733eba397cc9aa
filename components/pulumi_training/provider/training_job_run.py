"""Create and Update of a training job: the run is started or adopted, waited for, and answered for truly."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..driver.amend import amend, require_amendable
from ..driver.attempt_run import attempt_run
from ..driver.follow import Detached, Follower
from ..driver.intend import (
    Intent,
    intend,
    is_adoptable,
    refuse_if_shared,
    remember_owner,
    runs_of_owner,
)
from ..driver.last import last
from ..driver.look import source_tree
from ..driver.next_up import Step, decide, is_followed_at_once, is_unseen
from ..driver.policy import Policy
from ..driver.request import Request
from ..driver.sharing import covers, holders_of, named, others
from ..driver.start import is_on_its_way, start
from ..driver.stop import cancel, halt
from ..driver.supervisor import is_driven
from ..driver.track import with_tracking_credentials
from ..identity.rules import known
from ..identity.tree import Tree
from ..record import workspaces
from ..record.attempt import Attempt
from ..record.backend import Backend
from ..record.claims import claim
from ..record.documents import AttemptDocument
from ..record.record import Record
from ..record.tags import given_still
from ..spec.document import UnreadableDocument
from ..spec.errors import PermanentError
from ..spec.job import JobSpec
from ..spec.outcome import Reason
from ..spec.policy import LogOutput, OnCancel
from ..targets import catalog
from ..targets.withheld import lend
from .attendance import Attendance
from .beginning import beginning
from .handler import CreateCall, InitFailed, Operation, UpdateCall
from .pool import blocking
from .training_job_check import declared
from .training_job_outputs import closing_line, outputs, reasons
from .wire import unwrap_secrets

_SUBMISSION_LOOK_SECONDS = 0.2
Answer = tuple[Record, Attempt, dict[str, Any]]


def request_of(
    call: CreateCall | UpdateCall, base: Path, backend: Backend | None, seen: str | None = None
) -> Request:
    """The request that checked inputs make; `seen` is the digest of the tree that Check saw."""
    found = declared(call.inputs, call.name)
    job = with_tracking_credentials(found.job)
    plain, _ = unwrap_secrets(call.inputs)
    request = Request(
        name=job.name or call.name,
        job=job,
        urn=call.urn,
        stack=call.stack,
        project=call.project,
        run_key=str(plain["runKey"]),
        source_digest=str(plain["sourceDigest"]),
        base=base,
        secrets={**found.secrets, **job.secret_environment_variables},
        seen_digest=seen,
        known_id=call.id if isinstance(call, UpdateCall) else None,
        source_rules=known(plain.get("sourceRules")),
        environment_files=plain.get("environmentFiles") or {},
        backend=backend,
    )
    lend(request.run_id, request.secrets)
    return request


async def create(call: CreateCall, base: Path, attendance: Attendance, seen: str | None) -> Answer:
    """Starts the run of checked inputs, or adopts the one that is there, and waits for its end.

    `seen` is the digest of the source tree that Check saw.

    Raises:
        InitFailed: the run exists and did not reach its goal, or the wait for it was given up.
        TrainingError: nothing was started.
    """
    if call.cancelled.is_set():
        words = "the update was canceled before this run was asked for; nothing was started"
        raise PermanentError(Reason.CANCELED, f"{words}. `pulumi up` starts it.")
    async with beginning():
        request = request_of(call, base, await blocking(_backend, attendance), seen)
        await blocking(attendance.take, request.record(), request.urn)
    from ..targets.compute_settings import notes

    for note in notes(request.document()):
        call.progress.info(note)
    intent = await _intend(request, call, rerun=False)
    if intent.is_adopted:
        document = await blocking(intent.attempt.document)
        call.progress.info(
            f"adopting attempt {document.attempt} of run {request.run_id} ({document.status.value})"
        )
    return await _carry(call, request, intent)


async def update(call: UpdateCall, base: Path, attendance: Attendance, seen: str | None) -> Answer:
    """Changes what may change in place, then takes the way on that the outcome table names.

    Raises:
        InitFailed: as for `create`.
    """
    request = request_of(call, base, await blocking(_backend, attendance), seen)
    record = request.record()
    found = await blocking(last, record)
    if found is not None and found.is_pruned and found.document.outcome and found.document.outcome.is_success:
        await blocking(record.update_run, spec=request.document())
        return record, found.attempt, outputs(record, record.run_document(), found.attempt, found.document)
    newest = await blocking(record.newest)
    if newest is None:
        call.progress.warning(f"the record of run {request.run_id} is gone; it is trained again")
        return await _carry(call, request, await _intend(request, call, rerun=False))
    document = await blocking(_amend, record, newest, request)
    step = decide(document, Policy.of(request.recorded_job))
    if step is Step.RERUN:
        return await _carry(call, request, await _intend(request, call, rerun=True))
    if step in (Step.JUDGE, Step.COLLECT):
        await blocking(_again, record, newest, base, step)
    return await _carry(call, request, Intent(record, newest, is_adopted=True))


async def _intend(request: Request, call: Operation, *, rerun: bool) -> Intent:
    await blocking(_make_way, request, call, rerun)
    async with beginning():
        return await blocking(_intended, request, call, rerun)


def _make_way(request: Request, call: Operation, rerun: bool) -> None:
    """Sees stopped what may not run beside this run; that takes as long as their scripts take to end."""
    record = request.record()
    _stop_predecessors(request, record, call)
    live = _live(record)
    if live is not None and (rerun or not is_adoptable(record, live, request.backend)):
        refuse_if_shared(record, live, request.backend)
        cancel(record)  # a run would get a twin


def _intended(request: Request, call: Operation, rerun: bool) -> Intent:
    record = request.record()
    workspaces.remember(record.store.url, _workspace(request), request.document()["compute"]["target"])
    return intend(request, lambda: _source_of(request), call.progress.line, rerun=rerun)


def _source_of(request: Request) -> Tree:
    return source_tree(request.job, request.base, rules=request.source_rules)


def _backend(attendance: Attendance) -> Backend | None:
    return attendance.backend


def _live(record: Record) -> AttemptDocument | None:
    """The newest attempt, if it lives."""
    newest = record.newest()
    document = newest.document() if newest is not None else None
    return document if document is not None and document.is_live else None


def _stop_predecessors(request: Request, record: Record, call: Operation) -> None:
    """Stops live runs that this resource had with another key, and sees them stopped.

    A resource of the same name in another backend is another resource.
    """
    for run_id in runs_of_owner(record.store, request.urn):
        other = Record(record.store, run_id)
        if run_id == request.run_id:
            continue
        theirs = others(other, request.backend)
        try:
            newest = other.newest_document()
        except UnreadableDocument as error:
            if not theirs:
                _stop_unread(other, request, call, error)
            continue
        if newest is not None and newest.is_live:
            if any(covers(other, each, newest.attempt) for each in theirs):
                call.progress.info(f"run {run_id} goes on: {named(theirs)} has it")
                continue
            call.progress.info(f"stopping run {run_id}, which this one replaces")
            lend(run_id, request.secrets)
            cancel(other)


def _stop_unread(other: Record, request: Request, call: Operation, error: UnreadableDocument) -> None:
    """An older run that cannot be read is left as it is; where a process still drives it, what it runs is stopped."""
    call.progress.warning(f"run {other.run_id}, which this one replaces, is passed over: {error.message}")
    if is_driven(other):
        halt(other, request.document()["compute"])


async def _carry(
    call: CreateCall | UpdateCall, request: Request, intent: Intent, deadline: float | None = None
) -> Answer:
    if deadline is None and call.timeout:
        deadline = time.monotonic() + call.timeout
    began = time.time()
    record, attempt = intent.record, intent.attempt
    was_unseen = intent.is_adopted and await blocking(_is_unseen, record, attempt)
    async with beginning():
        await blocking(start, record, attempt.number, request.base, request.secrets)
    if not request.job.wait:
        await _on_its_way(call, record, attempt)
    if not request.job.wait and (await blocking(attempt.document)).is_live:
        return record, attempt, await blocking(_outputs, record, attempt)
    document = await _followed(call, request, record, attempt, deadline)
    if was_unseen and is_followed_at_once(document):
        call.progress.info(
            f"{_ended(document)} while no update watched; starting attempt {document.attempt + 1}"
        )
        return await _carry(call, request, await _intend(request, call, rerun=True), deadline)
    attempt = record.attempt(document.attempt)
    answered = await blocking(_outputs, record, attempt)
    if words := await blocking(_left_out, attempt):
        call.progress.warning(words)
    if document.outcome is None or not document.outcome.is_success:
        raise InitFailed(record.run_id, answered, reasons=reasons(document.outcome, attempt))
    if (document.ended_at or 0.0) >= began:
        _shower(call, request.job)(closing_line(document))
    return record, attempt, answered


async def _on_its_way(call: Operation, record: Record, attempt: Attempt) -> None:
    """Waits for what this process has yet to do for a run that nobody waits for."""
    while not call.cancelled.is_set():
        if await blocking(is_on_its_way, record, attempt.number):
            return
        await asyncio.sleep(_SUBMISSION_LOOK_SECONDS)


async def _followed(
    call: CreateCall | UpdateCall,
    request: Request,
    record: Record,
    attempt: Attempt,
    deadline: float | None,
) -> AttemptDocument:
    """The document of the attempt, or of the last of its retries, once it has ended."""
    follower = Follower(
        record,
        request.base,
        request.secrets,
        show=_shower(call, request.job),
        is_given_up=call.cancelled.is_set,
        blocking=blocking,
    )
    try:
        return await follower.follow(attempt.number, deadline)
    except Detached:
        raise await _given_up(call, request.job, record, request.backend) from None
    except TimeoutError as error:
        newest = await blocking(record.newest) or attempt
        raise InitFailed(
            record.run_id,
            await blocking(_outputs, record, newest),
            reasons=[
                f"{error}. It was not stopped: `pulumi up` attaches to it again, "
                f"`pulumi-training cancel {record.run_id}` stops it.",
            ],
        ) from error


def _is_unseen(record: Record, attempt: Attempt) -> bool:
    return is_unseen(record, attempt.document())


def _ended(document: AttemptDocument) -> str:
    reason = document.outcome.reason.value if document.outcome else document.status.value
    return f"attempt {document.attempt} of run {document.run_id} ended as {reason}"


async def _given_up(call: Operation, job: JobSpec, record: Record, backend: Backend | None) -> InitFailed:
    """The answer to Ctrl-C: the run is left alone or stopped, as the job wants, and the words say which."""
    newest = await blocking(record.newest)
    theirs = await blocking(holders_of, record, backend, newest.number) if newest else []
    if job.on_cancel is OnCancel.STOP and not call.cancelled.is_detached and not theirs:
        call.progress.line("stopping")
        await blocking(cancel, record)
        words = (
            f"run {record.run_id} was stopped because the update was canceled; `pulumi up` starts it again"
        )
    else:
        words = (
            f"the wait was canceled; run {record.run_id} goes on. `pulumi up` attaches to it again, "
            f"`pulumi-training cancel {record.run_id}` stops it"
        )
        if theirs and job.on_cancel is OnCancel.STOP:
            words += f". It was not stopped because {named(theirs)} has it too"
    newest = await blocking(record.newest)
    answered = await blocking(_outputs, record, newest) if newest else {}
    return InitFailed(record.run_id, answered, reasons=[words])


def _amend(record: Record, attempt: Attempt, request: Request) -> AttemptDocument:
    """Brings what changed in place to the record, and to the target where the attempt lives."""
    attempt.update(acknowledged=True)
    if request.backend is not None:
        claim(record, request.backend, request.owner, attempt.number)
    run = record.run_document()
    document = attempt.document()
    if run.owner != request.owner:
        record.update_run(owner=request.owner)  # the resource was renamed; its id stays
        remember_owner(record.store, request.urn, record.run_id)
    if run.spec == request.document():
        return document
    require_amendable(document, run.spec, request.document())
    record.update_run(spec=request.document(), tags=given_still(run, request.job.tags))
    attempt.event("amended", "tags, limits or policies changed")
    amend(attempt, document, request.document())
    return attempt.document()


def _again(record: Record, attempt: Attempt, base: Path, step: Step) -> None:
    from ..driver.settle import collect_again, judge_again

    run = record.run_document()
    policy = Policy.of(run.job)
    if step is Step.JUDGE:
        judge_again(attempt, policy)
        return
    document = attempt.document()
    target = catalog.get(document.target, document.target_package)
    collect_again(record, attempt, target, attempt_run(record, attempt, base, {}), policy)


def _left_out(attempt: Attempt) -> str:
    """What of the outputs was not kept and why; a finished run's row says it, and its record."""
    manifest = attempt.manifest()
    return manifest.warning if manifest else ""


def _outputs(record: Record, attempt: Attempt) -> dict[str, Any]:
    return outputs(record, record.run_document(), attempt, attempt.document())


def _shower(call: Operation, job: JobSpec) -> Any:
    return (lambda line: None) if job.log_output is LogOutput.NONE else call.progress.line


def _workspace(request: Request) -> str:
    compute: Mapping[str, Any] = request.document()["compute"]
    return str(compute["workspace"])
