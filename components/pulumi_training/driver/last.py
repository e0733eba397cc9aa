"""The last that is known of a run: its newest attempt, or what retention left of it."""

from __future__ import annotations

from dataclasses import dataclass

from ..record.attempt import Attempt
from ..record.documents import AttemptDocument
from ..record.record import Record


@dataclass(frozen=True)
class Last:
    """An attempt and its document; `is_pruned` says that only the tombstone is left."""

    attempt: Attempt
    document: AttemptDocument
    is_pruned: bool = False


def last(record: Record) -> Last | None:
    """What there is, or None where nothing was ever recorded."""
    if not record.exists():
        return None
    newest = record.newest()
    if newest is not None:
        return Last(newest, newest.document())
    document = record.run_document().last_attempt()
    if document is None:
        return None
    return Last(record.attempt(document.attempt), document, is_pruned=True)
