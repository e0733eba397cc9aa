"""Runs found: all of them as lines of a list, or one by what a person calls it."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..record.documents import AttemptDocument, RunDocument
from ..record.lock import DriverLock
from ..record.record import Record
from ..record.runs import RunSummary, UnreadableRun, runs
from ..record.store import NotFound, Store
from ..record.store_identity import place_of
from ..spec.document import UnreadableDocument
from ..spec.errors import SpecError, TrainingError
from ..spec.outcome import Status
from ..spec.times import iso
from .places import Place, Places, Unreadable, places

_CANDIDATES_SHOWN = 8


class RunNotFound(TrainingError):
    """No run answers to that name in the stores that were looked at."""


class AmbiguousRun(TrainingError):
    """Several runs begin like that."""


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
    """Lines, the run started last first; `left_out` counts those beyond the limit.

    `passed_over` are runs of which a document is damaged or of a newer version.
    """

    lines: tuple[RunLine, ...]
    left_out: int = 0
    unreadable: tuple[Unreadable, ...] = ()
    stores: int = 0
    passed_over: tuple[UnreadableRun, ...] = ()


@dataclass(frozen=True)
class Found:
    """One run: its record, and its document."""

    record: Record
    run: RunDocument = field(repr=False)


def list_runs(
    store: str | None = None,
    workspace: str | None = None,
    statuses: Collection[Status] = (),
    limit: int | None = None,
) -> Listing:
    """The runs of a store, or of every known one, of some statuses only where any are given.

    Stores that do not answer, and runs that cannot be read, are named in the listing and stop nothing.
    Raises `SpecError` for a `store` that cannot be one.
    """
    where = places(store, workspace)
    unreadable = list(where.unreadable)
    passed_over: list[UnreadableRun] = []
    matching: list[tuple[float, Record, RunSummary]] = []
    for place in where.found:
        try:
            for summary in runs(place.store, passed_over.append):
                if _is_wanted(summary, workspace, statuses):
                    matching.append((_started(summary), Record(place.store, summary.run.run_id), summary))
        except TrainingError as error:
            unreadable.append(Unreadable(place.store.display, error.message))
    matching.sort(key=lambda item: item[0], reverse=True)
    kept = matching if limit is None else matching[:limit]
    lines = tuple(RunLine.of(record, summary) for _, record, summary in kept)
    return Listing(lines, len(matching) - len(kept), tuple(unreadable), len(where.found), tuple(passed_over))


def find(text: str, store: str | None = None, *, to_change: bool = False) -> Found:
    """The run called `text`: a run id, `<store URL>#<run id>`, a job's name (its newest run) or a unique prefix.

    Checkouts of one program have runs of one id. Those whose store is in the working directory come first; what is not
    only read (`to_change`) must be in one store alone.

    Raises:
        RunNotFound: no store has it; the message says where it was looked for.
        AmbiguousRun: it begins several ids, or several stores have it and it is to change.
    """
    url, mark, run_id = text.rpartition("#")
    if mark and url and store is None:
        text, store = run_id, url
    where = places(store)
    ids = _ids(where.found)
    exact = [record for record in ids if record.run_id == text]
    if exact:
        return _chosen(exact, to_change)
    named = [record for record in ids if _could_be_of(record.run_id, text)]
    unreadable: list[UnreadableDocument] = []
    named = [record for record in named if _name(record, unreadable) == text]
    if named:
        return _chosen(named, to_change)
    begun = [record for record in ids if text and record.run_id.startswith(text)]
    if len({record.run_id for record in begun}) > 1:
        shown = sorted({record.run_id for record in begun})
        more = ", …" if len(shown) > _CANDIDATES_SHOWN else ""
        raise AmbiguousRun(
            f"{text!r} begins {len(shown)} run ids; write more of one: {', '.join(shown[:_CANDIDATES_SHOWN])}{more}"
        )
    if begun:
        return _chosen(begun, to_change)
    raise RunNotFound(_not_found(text, where, unreadable))


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


def _ids(found: Iterable[Place]) -> list[Record]:
    records = []
    for place in found:
        for name in _names(place.store):
            try:
                records.append(Record(place.store, name))
            except SpecError:
                continue  # a folder of somebody else's
    return records


def _names(store: Store) -> tuple[str, ...]:
    try:
        return store.children("runs")
    except TrainingError:
        return ()


def _could_be_of(run_id: str, name: str) -> bool:
    """Whether a run's id may stem from that job's name; spares reading the other documents.

    An id is the name, cut where it is long, and ten hex digits.
    """
    label = run_id.rpartition("-")[0]
    return bool(label) and name.startswith(label)


def _name(record: Record, unreadable: list[UnreadableDocument]) -> str | None:
    try:
        return record.run_document().name
    except UnreadableDocument as error:
        unreadable.append(error)
    except TrainingError:
        pass  # gone meanwhile, or its store does not answer
    return None


def _chosen(records: list[Record], to_change: bool) -> Found:
    kept = [record for record in records if _is_here(record.store)] or records
    if to_change and len({place_of(record.store) for record in kept}) > 1:
        names = ", ".join(sorted(f"{record.store.display}#{record.run_id}" for record in kept))
        raise AmbiguousRun(f"several stores have it; write which: {names}")
    return _newest(kept)


def _is_here(store: Store) -> bool:
    """Whether a store is a folder in the working directory, as that of the program that one stands in."""
    folder = store.local_path("")
    return folder is not None and folder.resolve().is_relative_to(Path.cwd())


def _newest(records: list[Record]) -> Found:
    """The run among `records` whose newest attempt is the newest."""
    best: tuple[float, Found] | None = None
    last: TrainingError | None = None
    for record in records:
        try:
            run = record.run_document()
            at = _at(record, run)
        except NotFound as error:
            last = RunNotFound(f"{record.run_id} has no run.json in {record.store.display}: {error.message}")
            continue
        except TrainingError as error:
            last = error
            continue
        if best is None or at > best[0]:
            best = (at, Found(record, run))
    if best is None:
        raise last or RunNotFound("no run")
    return best[1]


def _at(record: Record, run: RunDocument) -> float:
    """When the run's newest attempt was made; of one that cannot be read, the run's own time."""
    newest = record.newest()
    try:
        return newest.document().created_at if newest else run.created_at
    except UnreadableDocument:
        return run.created_at


def _not_found(text: str, where: Places, unreadable: Iterable[UnreadableDocument]) -> str:
    if not where.found and not where.unreadable:
        return (
            f"No run {text!r}: this machine has seen no workspace yet. `pulumi up` makes one; "
            "--store names a store (a folder or a URL)."
        )
    looked = ", ".join(place.store.display for place in where.found) or "no store"
    words = f"No run {text!r} in {looked}. `pulumi-training runs list` shows what there is."
    for store in where.unreadable:
        words += f"\n{store.store} could not be read: {store.message}"
    for error in unreadable:
        words += f"\n{error.message}"
    return words
