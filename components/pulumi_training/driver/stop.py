"""Stops runs, and takes away what targets hold of them."""

from __future__ import annotations

import time
from pathlib import Path

from ..record.attempt import Attempt
from ..record.documents import AttemptDocument
from ..record.lock import DriverLock
from ..record.record import Record
from ..spec.errors import TrainingError, TransientError
from ..targets import catalog
from .attempt_run import handle_of
from .drive import drive
from .policy import Policy
from .track import catch_up

_SETTLE_SECONDS = 60.0


def cancel(record: Record, *, grace: float | None = None) -> AttemptDocument | None:
    """Stops the newest attempt of a run and returns its document when it has been SEEN stopped.

    `grace` is in seconds, the job's own by default. None is returned where the run has no attempt. An ended
    attempt is left as it is.

    Raises:
        TransientError: something of it still runs after the grace and a minute more.
    """
    attempt = record.newest()
    if attempt is None:
        return None
    document = attempt.document()
    if _is_over(document):
        return document
    run = record.run_document()
    policy = Policy.of(run.spec)
    seconds = policy.grace if grace is None else grace
    deadline = time.monotonic() + seconds + _SETTLE_SECONDS
    while True:
        # A retry may have begun between two looks: it is the newest that must not go on.
        attempt = record.newest() or attempt
        document = attempt.document()
        if _is_over(document):
            return document
        if not document.cancel_requested:
            attempt.update(cancel_requested=True)
            attempt.event("cancel", f"stop was asked for, with {seconds:g} s of grace")
        if document.is_live:
            catalog.get(document.target).cancel(handle_of(attempt, document), seconds)
        if DriverLock(record).holder() is None:
            base = Path(document.notes.get("base", "."))
            drive(record, attempt.number, base, {})
            catch_up(record, base)
        elif time.monotonic() > deadline:
            raise TransientError(
                f"run {record.run_id} was asked to stop and has not come to an end", retry_after=10
            )
        else:
            time.sleep(0.05)


def _is_over(document: AttemptDocument) -> bool:
    return document.status.is_terminal and not document.notes.get("will_retry")


def remove(record: Record, *, up_to: int | None = None, purge: bool = False) -> None:
    """Stops a run and removes what its target holds; the record stays unless `purge`.

    Attempts after `up_to` are another owner's business and are left alone. What is gone already is no error.
    """
    newest = record.newest()
    if newest is None:
        return
    if up_to is None or newest.number <= up_to:
        cancel(record)
    trouble: TrainingError | None = None
    for number in record.attempts():
        if up_to is not None and number > up_to:
            continue
        try:
            _remove_one(record.attempt(number))
        except TrainingError as error:  # the others may go all the same
            trouble = trouble or error
    if trouble is not None:
        raise trouble
    if purge and (up_to is None or newest.number <= up_to):
        record.store.delete(record.prefix)


def _remove_one(attempt: Attempt) -> None:
    document = attempt.document()
    # Not the run's target of now: attempts before may have been at another one.
    target = catalog.get(document.target)
    target.remove(handle_of(attempt, document))
    attempt.update(acknowledged=True)
