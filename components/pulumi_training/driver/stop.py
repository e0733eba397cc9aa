"""Stops runs, and takes away what targets hold of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from ..record.attempt import Attempt
from ..record.documents import AttemptDocument
from ..record.holder import this_process
from ..record.lock import PATIENCE, DriverLock
from ..record.record import Record
from ..record.store import NotFound
from ..record.store_identity import identity_of
from ..spec.document import NewerDocument, UnreadableDocument
from ..spec.errors import SpecError, TrainingError, TransientError
from ..spec.outcome import Reason
from ..targets import catalog
from ..targets.contract.handle import ComputeReference, Handle
from .attempt_run import compute_of, driven_on, handle_of
from .policy import Policy
from .track import catch_up

GRACE_SECONDS = 30.0
"""What scripts get where the job that says how long cannot be read."""
_SETTLE_SECONDS = 60.0
_LOOK_SECONDS = 0.05


def cancel(
    record: Record, *, grace: float | None = None, is_machine_gone: bool = False
) -> AttemptDocument | None:
    """Stops the newest attempt of a run and returns its document when it has been SEEN stopped.

    `grace` is in seconds, the job's own by default. None is returned where the run has no attempt. An ended
    attempt is left as it is. `is_machine_gone` is the word of a person that the other machine which drove it is gone for
    good, and what ran there with it; it is taken once that machine's hold of the run has lapsed.

    Raises:
        TransientError: something of it still runs after the grace and a minute more, or whether it does cannot be told
            from this machine.
    """
    attempt = record.newest()
    if attempt is None:
        return None
    document = attempt.document()
    if document.is_over:
        return document
    run = record.run_document()
    policy = Policy.of(run.job)
    seconds = policy.grace if grace is None else grace
    deadline = time.monotonic() + seconds + _SETTLE_SECONDS + (PATIENCE if is_machine_gone else 0)
    while True:
        # A retry may have begun between two looks: it is the newest that must not go on.
        attempt = record.newest() or attempt
        document = attempt.document()
        if document.is_over:
            return document
        if not document.cancel_requested:
            notes = document.notes if grace is None else document.notes.changed(cancel_grace=grace)
            attempt.update(cancel_requested=True, notes=notes)
            attempt.event("cancel", f"stop was asked for, with {seconds:g} s of grace")
        elsewhere = driven_on(document)
        if elsewhere and is_machine_gone:
            if DriverLock(record).holder() is None:
                _take_over(attempt, elsewhere)
            elif time.monotonic() > deadline:
                raise TransientError(f"machine {elsewhere} is not gone: it drives run {record.run_id}")
            else:
                time.sleep(_LOOK_SECONDS)
            continue
        if document.is_live:
            if not attempt.store.is_local:
                attempt.prepare_folder()  # of a machine that has not driven it: what stopping shows is noted there
            compute = compute_of(run.spec, record.run_id, document)
            target = catalog.get(document.target, document.target_package)
            target.cancel(compute, handle_of(attempt, document), seconds)
        if DriverLock(record).holder() is None:
            from .drive import drive

            drive(record, attempt.number, document.notes.base, {})
            catch_up(record, document.notes.base)
        elif time.monotonic() > deadline:
            raise TransientError(
                f"run {record.run_id} was asked to stop and has not come to an end", retry_after=10
            )
        else:
            time.sleep(_LOOK_SECONDS)


def _take_over(attempt: Attempt, machine: str) -> None:
    """What is left of the attempt is this machine's from now on, whose look at it counts."""
    me = this_process()
    supervisor = {"pid": me.pid, "host": me.host, "boot_id": me.boot_id, "started_at": time.time()}
    attempt.update(supervisor=supervisor)
    attempt.event("machine gone", f"machine {machine} was said to be gone for good")


def remove(
    record: Record,
    *,
    up_to: int | None = None,
    after: int = 0,
    purge: bool = False,
    compute: Mapping[str, object] | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> None:
    """Stops a run and removes what its target holds; the record stays unless `purge`.

    Attempts after `up_to`, and those up to `after`, are another owner's business and are left alone, in the record
    too. What is gone already is no error, nor is a record that cannot be read: `tell` is told of it, what runs is
    stopped at `compute`, its cluster as it is recorded, by run id and attempt, and the record is left as it is. One of
    a newer version is not purged either.
    """
    numbers = record.numbers()
    if not numbers:
        return
    is_newest_ours = up_to is None or numbers[-1] <= up_to
    if is_newest_ours and numbers[-1] > after:
        try:
            cancel(record)
        except UnreadableDocument as error:
            tell(error.message)
    trouble: TrainingError | None = None
    for number in numbers:
        if number <= after or (up_to is not None and number > up_to):
            continue
        try:
            _remove_attempt(record, number, compute, tell)
        except TrainingError as error:  # the others may go all the same
            trouble = trouble or error
    if trouble is not None:
        raise trouble
    if purge and is_newest_ours:
        try:
            record.refuse_newer()
        except NewerDocument as error:
            tell(f"not purged: {error.message}")
            return
        _purge(record, after)


def _purge(record: Record, after: int) -> None:
    if not after:
        record.store.delete(record.prefix)
        return
    for number in record.numbers():
        if number > after:
            record.store.delete(record.attempt(number).prefix)
    record.update_run(newest_attempt=after)


def halt(record: Record, compute: Mapping[str, object], grace: float = GRACE_SECONDS) -> None:
    """Stops the newest attempt of a run that cannot be read, by its run id and number; the record is left as it is.

    Raises:
        TransientError: something of it still runs.
    """
    for number in record.numbers()[-1:]:
        for reference, handle in _rebuilt(record, number, compute):
            catalog.get(handle.target).cancel(reference, handle, grace)


def _remove_attempt(
    record: Record, number: int, compute: Mapping[str, object] | None, tell: Callable[[str], None]
) -> None:
    attempt = record.attempt(number)
    document = _document_if_whole(attempt, tell)
    if document is not None:
        # Not the run's target of now: attempts before may have been at another one.
        if _may_have_outputs(document) and not attempt.store.is_local:
            attempt.prepare_folder()  # of a machine that has not driven it: what is still at the target comes there first
        reference = compute_of({"compute": _compute_in(record) or compute}, record.run_id, document)
        at = catalog.get(document.target, document.target_package)
        at.remove(reference, handle_of(attempt, document))
        try:
            attempt.update(acknowledged=True)
        except UnreadableDocument as error:
            tell(error.message)
        return
    known = compute or _compute_in(record)
    if not known or not known.get("target"):
        tell(f"{attempt.location}: at which target it ran cannot be told any more; nothing was stopped there")
        return
    if record.numbers()[-1] == number:
        halt(record, known)
    for reference, handle in _rebuilt(record, number, known):
        catalog.get(handle.target).remove(reference, handle)


def _may_have_outputs(document: AttemptDocument) -> bool:
    """Whether an attempt was submitted and nobody brought what it made."""
    outcome = document.outcome
    return document.handle is not None and (outcome is None or outcome.reason is Reason.COLLECT_FAILED)


def _document_if_whole(attempt: Attempt, tell: Callable[[str], None]) -> AttemptDocument | None:
    try:
        document = attempt.document()
    except (UnreadableDocument, NotFound) as error:
        tell(error.message)
        return None
    try:
        catalog.describe(document.target, document.target_package)
    except SpecError as error:
        if document.target_package:
            raise  # it is whole: with the package that it names it can be taken away
        tell(f"{attempt.location}: {error.message}")
        return None
    return document


def _compute_in(record: Record) -> Mapping[str, Any] | None:
    try:
        return record.run_document().spec.get("compute") or None
    except (UnreadableDocument, NotFound):
        return None


def _rebuilt(
    record: Record, number: int, compute: Mapping[str, object]
) -> list[tuple[ComputeReference, Handle]]:
    """The references that an attempt of which nothing can be read may have: with the store's identity, and without."""
    try:
        identity = identity_of(record.store)
    except TrainingError:
        identity = None  # damaged too
    folder = record.attempt(number).folder
    # A machine that has no folder of it did not drive it, and cannot take what it does not know for nothing.
    elsewhere = "" if folder.is_dir() else "that its record does not tell any more"
    return [
        (
            ComputeReference(compute, record.run_id, store),
            Handle(
                str(compute["target"]),
                record.run_id,
                number,
                str(folder),
                store=store,
                driven_on=elsewhere,
            ),
        )
        for store in dict.fromkeys((identity or "", ""))
    ]
