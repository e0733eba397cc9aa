"""Runs that several backends have: what one of them may take away, and what another one still has.

Stacks of one name in two backends over one store have equal URNs, so equal ids of their runs. What is live or kept for
one is no other's to stop or remove.
"""

from __future__ import annotations

from contextlib import suppress

from ..record.backend import Backend
from ..record.claims import Claim, claim, claims
from ..record.record import Record
from ..record.stack_files import states
from ..record.store import NotFound, StoreError
from ..record.updates import is_waited_for
from ..spec.document import UnreadableDocument
from ..spec.errors import TrainingError


def others(record: Record, mine: Backend | None) -> list[Claim]:
    """The claims of other backends that hold, or of which nobody here can tell that they do not.

    Without a backend of one's own, a lone claim is taken for one's own.
    """
    found = claims(record)
    if mine is None:
        return [] if len(found) < 2 else found
    return [each for each in found if each.backend != mine.digest and holds(record, each)]


def holds(record: Record, claim: Claim) -> bool:
    """Whether a claim's backend has the run still; False only where its states, or its folder's absence, say so."""
    if is_waited_for(record, claim.backend):
        return True
    folder = claim.folder
    if folder is None or claim.is_damaged:
        return True
    if not folder.exists():
        return False
    try:
        return any(record.run_id in found.runs or claim.urn in found.pending for found in states(folder))
    except TrainingError:
        return True


def holders_of(record: Record, mine: Backend | None, attempt: int) -> list[Claim]:
    """The claims of other backends to that attempt."""
    return [each for each in others(record, mine) if covers(record, each, attempt)]


def covers(record: Record, claim: Claim, attempt: int) -> bool:
    """Whether an attempt is among those that are claimed; retries of the last one are."""
    if claim.covers(attempt):
        return True
    for number in range(claim.attempt + 1, attempt + 1):
        try:
            began = record.attempt(number).document().notes.series_start or number
        except NotFound:
            return False
        except UnreadableDocument:
            return True  # nobody can tell, so it stays
        if began > claim.attempt:
            return False
    return True


def kept_for(record: Record, found: list[Claim]) -> int:
    """The number of the last attempt that one of the claims covers, 0 where there is none."""
    return max((n for n in record.numbers() for each in found if covers(record, each, n)), default=0)


def is_only_theirs(record: Record, mine: Backend | None, attempt: int) -> bool:
    """Whether other backends have that attempt and this one never had it."""
    if mine is None:
        return False
    found = claims(record)
    if any(each.backend == mine.digest and covers(record, each, attempt) for each in found):
        return False
    return bool(holders_of(record, mine, attempt))


def take_in(record: Record, backend: Backend | None, owner: dict[str, str], attempt: int) -> None:
    """Says that a state of `backend` has the run; for who only looks, at a record that may be read-only."""
    if backend is not None and record.attempt(attempt).exists():
        with suppress(StoreError):  # whoever may write it says so the next time
            claim(record, backend, owner, attempt)


def named(found: list[Claim]) -> str:
    """Claims in words."""
    return "; ".join(map(str, found))
