"""Every run of a store, with its newest attempt; those that cannot be read are told apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ..spec.document import DamagedDocument, NewerDocument, UnreadableDocument, object_or_none
from ..spec.errors import TrainingError, TransientError
from .documents import ADVICE, AttemptDocument, RunDocument
from .record import RUN_ID, Record
from .store import NotFound, Store


@dataclass(frozen=True)
class RunSummary:
    """A line of a list of runs: the run, and its newest attempt (None before the first; what is
    left of it after pruning)."""

    run: RunDocument
    attempt: AttemptDocument | None


@dataclass(frozen=True)
class UnreadableRun:
    """A run that is passed over: a document of it is damaged, missing, or of a newer version.

    `job` is the job's name where it can still be told; `message` names the document and says what to do.
    """

    run_id: str
    job: str
    location: str
    message: str
    is_newer: bool = False


def runs(store: Store, passed_over: Callable[[UnreadableRun], None] = lambda _: None) -> Iterator[RunSummary]:
    """Every run of `store`, the one started last first; what cannot be read goes to `passed_over` and stops nothing."""
    records = [Record(store, name) for name in store.children("runs") if RUN_ID.match(name)]
    if store.is_local:
        found = list(map(_summary, records))
    else:
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(16) as pool:
            found = list(pool.map(_summary, records))
    for each in found:
        if isinstance(each, UnreadableRun):
            passed_over(each)
    return iter(sorted((s for s in found if isinstance(s, RunSummary)), key=_started, reverse=True))


def _summary(record: Record) -> RunSummary | UnreadableRun | None:
    """None where the folder holds no run: one that is just being made, or somebody else's."""
    try:
        run = record.run_document()
        return RunSummary(run, record.newest_document(run) or run.last_attempt())
    except NotFound:
        return _without_document(record) if record.numbers() else None
    except TransientError:
        raise
    except UnreadableDocument as error:
        return _unreadable(record, error)


def _unreadable(record: Record, error: TrainingError) -> UnreadableRun:
    try:
        name = (object_or_none(record.store.read(f"{record.prefix}/run.json")) or {}).get("name")
    except TrainingError:
        name = None
    job = name if isinstance(name, str) else ""
    return UnreadableRun(record.run_id, job, record.location, error.message, isinstance(error, NewerDocument))


def _without_document(record: Record) -> UnreadableRun:
    return _unreadable(record, DamagedDocument(f"{record.location}/run.json", "it is missing", ADVICE))


def _started(summary: RunSummary) -> float:
    return max(summary.run.created_at, summary.attempt.created_at if summary.attempt else 0.0)
