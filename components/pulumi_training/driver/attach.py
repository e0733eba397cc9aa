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
from .start import start
from .supervisor import is_driven

_SETTLE_SECONDS = 5.0


def take_up(record: Record, base: Path) -> None:
    """Has a run settled whose driver died, as by an upgrade under it; returns at once, and harmless where one lives."""
    newest = record.newest()
    if newest is None:
        return
    document = newest.document()
    is_begun = document.is_live and document.handle is not None
    is_to_be_driven = is_begun or document.notes.get("will_retry")
    if is_to_be_driven and not is_driven(record) and _is_target_here(document):
        start(record, newest.number, base, {})


def observed(record: Record, attempt: Attempt, base: Path) -> AttemptDocument:
    """The document of an attempt, after a dead driver of a submitted run was replaced.

    Waits a few seconds at most: a run that ended unseen is settled by then, one that goes on is answered live.
    """
    document = attempt.document()
    if not document.is_live or document.handle is None or DriverLock(record).holder() is not None:
        return document
    if not _is_target_here(document):
        return document
    start(record, attempt.number, base, {})
    deadline = time.monotonic() + _SETTLE_SECONDS
    while document.is_live and time.monotonic() < deadline:
        time.sleep(0.1)
        document = attempt.document()
    return document


def _is_target_here(document: AttemptDocument) -> bool:
    """Whether its target can be loaded: where its package is gone, the record alone answers."""
    try:
        catalog.describe(document.target, document.target_package)
    except SpecError:
        return False
    return True
