"""A run looked at by whoever comes: where nobody drives it any more, somebody is found to settle it."""

from __future__ import annotations

import time
from pathlib import Path

from ..record.attempt import Attempt
from ..record.documents import AttemptDocument
from ..record.lock import DriverLock
from ..record.record import Record
from ..spec.errors import SpecError
from ..targets import catalog
from ..targets.contract.capabilities import RunsUnattended
from .start import start
from .supervisor import is_driven

_SETTLE_SECONDS = 5.0


def take_up(record: Record, base: Path) -> None:
    """Has a run settled whose driver died, as by an upgrade under it; returns at once, and harmless where one lives."""
    newest = record.newest()
    if newest is None:
        return
    document = newest.document()
    is_to_be_driven = document.notes.will_retry or needs_driver(document)
    if is_to_be_driven and not is_driven(record) and _is_target_here(document):
        start(record, newest.number, base, {})


def needs_driver(document: AttemptDocument) -> bool:
    """Whether an attempt stands still unless somebody drives it who knows no more than its record.

    It was submitted; or no supervisor of ours will ever see to its retry. One that was never submitted needs the
    program that has it.
    """
    if document.is_live and document.handle is not None:
        return True
    notes = document.notes
    is_retried = notes.will_retry or (document.is_live and notes.retry_of is not None)
    return is_retried and _is_unattended(document)


def ask_service(record: Record) -> None:
    """Has a service asked about its run, where nobody drives that; one that ended unseen is settled by then.

    Waits a few seconds at most. Nothing where a supervisor of ours drives.
    """
    newest = record.newest()
    if newest is None:
        return
    document = newest.document()
    if _is_unattended(document):
        observed(record, newest, document.notes.base)


def observed(record: Record, attempt: Attempt, base: Path) -> AttemptDocument:
    """The document of an attempt, after a dead driver of a submitted run was replaced.

    Waits a few seconds at most: a run that ended unseen is settled by then, one that goes on is answered live.
    """
    document = attempt.document()
    if not needs_driver(document) or DriverLock(record).holder() is not None:
        return document
    if not _is_target_here(document):
        return document
    start(record, attempt.number, base, {})
    if _is_unattended(document):
        from .unattended.loop import await_look

        await_look(record, _SETTLE_SECONDS)
        return (record.newest() or attempt).document()
    deadline = time.monotonic() + _SETTLE_SECONDS
    while document.is_live and time.monotonic() < deadline:
        time.sleep(0.1)
        document = attempt.document()
    return document


def _is_unattended(document: AttemptDocument) -> bool:
    return _is_target_here(document) and isinstance(
        catalog.get(document.target, document.target_package), RunsUnattended
    )


def _is_target_here(document: AttemptDocument) -> bool:
    """Whether its target can be loaded: where its package is gone, the record alone answers."""
    try:
        catalog.describe(document.target, document.target_package)
    except SpecError:
        return False
    return True
