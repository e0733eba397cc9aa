"""Runs as lines of a list: those of this folder's project, of a store, or all that this machine knows of."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from ..record.documents import AttemptDocument
from ..record.lock import DriverLock
from ..record.record import Record
from ..record.runs import RunSummary, UnreadableRun, runs
from ..spec.errors import SpecError, TrainingError
from ..spec.outcome import Status
from ..spec.times import iso
from .here import Here
from .places import Unreadable, places


@dataclass(frozen=True)
class RunLine:
    """A run and its newest attempt, as a line of a list. Times are seconds since 1970 (UTC), durations seconds.

    `attempt` is 0 before the first. `is_attended` is False for a live run that no process drives, None for a
    run that has ended. `metrics` are the last values.
    """

    run_id: str
    job: str
    status: str
    reason: str | None
    message: str
    attempt: int
    created_at: float
    started_at: float | None
    ended_at: float | None
    metrics: dict[str, float]
    workspace: str
    project: str
    stack: str
    location: str
    is_attended: bool | None = None
    is_pruned: bool = False

    def duration(self, now: float | None = None) -> float | None:
        """Seconds from the start to the end, or to `now`; None before the start."""
        if self.started_at is None:
            return None
        return max(0.0, (self.ended_at or now or time.time()) - self.started_at)

    @classmethod
    def of(cls, record: Record, summary: RunSummary) -> RunLine:
        """The line of a run in a store."""
        run, attempt = summary.run, summary.attempt
        outcome = attempt.outcome if attempt else None
        return cls(
            run_id=run.run_id,
            job=run.name,
            status=(attempt.status if attempt else Status.NOT_STARTED).value,
            reason=outcome.reason.value if outcome and not outcome.is_success else None,
            message=(outcome.message if outcome else (attempt.progress if attempt else None)) or "",
            attempt=attempt.attempt if attempt else 0,
            created_at=attempt.created_at if attempt else run.created_at,
            started_at=attempt.started_at if attempt else None,
            ended_at=attempt.ended_at if attempt else None,
            metrics=dict(attempt.metrics or {}) if attempt else {},
            workspace=run.workspace,
            project=run.owner.get("project", ""),
            stack=run.owner.get("stack", ""),
            location=record.location,
            is_attended=is_attended(record, attempt),
            is_pruned=run.tombstone is not None,
        )


@dataclass(frozen=True)
class Listing:
    """Lines, the run started last first; `left_out` counts those beyond the limit, `elsewhere` those of other projects.

    `passed_over` are runs of which a document is damaged or of a newer version.
    """

    lines: tuple[RunLine, ...]
    left_out: int = 0
    elsewhere: int = 0
    unreadable: tuple[Unreadable, ...] = ()
    stores: int = 0
    passed_over: tuple[UnreadableRun, ...] = ()


def list_runs(
    store: str | None = None,
    workspace: str | None = None,
    statuses: Collection[Status] = (),
    limit: int | None = None,
    here: Here | None = None,
) -> Listing:
    """The runs of a store, or of every known one, of some statuses only where any are given.

    With `here` those of its project only; the others are counted.

    Stores that do not answer, and runs that cannot be read, are named in the listing and stop nothing.
    Raises `SpecError` for a `store` that cannot be one.
    """
    where = places(store, workspace)
    unreadable = list(where.unreadable)
    passed_over: list[UnreadableRun] = []
    matching: list[tuple[float, Record, RunSummary]] = []
    elsewhere = 0
    for place in where.found:
        try:
            for summary in runs(place.store, passed_over.append):
                if not _is_wanted(summary, workspace, statuses):
                    continue
                record = Record(place.store, summary.run.run_id)
                if here is not None and not here.has(record, summary.run, summary.attempt):
                    elsewhere += 1
                    continue
                matching.append((_started(summary), record, summary))
        except TrainingError as error:
            unreadable.append(Unreadable(place.store.display, error.message))
    matching.sort(key=lambda item: item[0], reverse=True)
    kept = matching if limit is None else matching[:limit]
    lines = tuple(RunLine.of(record, summary) for _, record, summary in kept)
    return Listing(
        lines, len(matching) - len(kept), elsewhere, tuple(unreadable), len(where.found), tuple(passed_over)
    )


def is_attended(record: Record, attempt: AttemptDocument | None) -> bool | None:
    """Whether some process drives a live run; None for one that has ended or whose lock cannot be read.

    None also for one that a service has, which needs nobody until it has ended.
    """
    if attempt is None or attempt.is_over:
        return None
    try:
        if DriverLock(record).holder() is not None:
            return True
        is_with_service = attempt.handle is not None and attempt.is_live and _is_unattended(attempt)
    except TrainingError:
        return None
    return None if is_with_service else False


def _is_unattended(attempt: AttemptDocument) -> bool:
    """Whether a service owns it; where the package of its target is gone, nobody can tell, and nobody drives."""
    from ..targets import catalog
    from ..targets.contract.capabilities import RunsUnattended

    try:
        return isinstance(catalog.get(attempt.target, attempt.target_package), RunsUnattended)
    except SpecError:
        return False


def run_json(line: RunLine) -> dict[str, Any]:
    """A line as a JSON object with ISO times."""
    document = dict(line.__dict__)
    for name in ("created_at", "started_at", "ended_at"):
        document[name] = iso(document[name])
    duration = line.duration()
    return {**document, "duration_seconds": None if duration is None else round(duration, 3)}


def _is_wanted(summary: RunSummary, workspace: str | None, statuses: Collection[Status]) -> bool:
    if workspace is not None and summary.run.workspace != workspace:
        return False
    status = summary.attempt.status if summary.attempt else Status.NOT_STARTED
    return not statuses or status in statuses


def _started(summary: RunSummary) -> float:
    return summary.attempt.created_at if summary.attempt else summary.run.created_at
