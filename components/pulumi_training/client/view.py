"""All that is known of one run, put together from its record."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, TypeVar

from ..record.attempt import Attempt
from ..record.documents import AttemptDocument, RunDocument
from ..record.events import Event
from ..record.record import Record
from ..record.store import NotFound, StoreError
from ..record.tags import tags_of
from ..spec.attribution import RankFacts
from ..spec.document import UnreadableDocument, parse_object
from ..spec.outcome import Outcome, Status
from ..spec.times import iso
from ..tracking.tracked import read_tracked
from .files import listing, names
from .find import Found
from .runs import is_attended

_EVENTS_KEPT = 1000

T = TypeVar("T")


@dataclass(frozen=True)
class AttemptLine:
    """One attempt in short. Times are seconds since 1970 (UTC)."""

    number: int
    status: str
    reason: str | None
    message: str
    created_at: float
    started_at: float | None
    ended_at: float | None
    retry_of: int | None


@dataclass(frozen=True)
class OutputFile:
    """A file the script left in `./outputs`; `sha256` is None until the run has ended."""

    path: str
    size: int
    sha256: str | None = None


@dataclass(frozen=True)
class RunView:
    """One run, looked at through one of its attempts (`document`; None before the first).

    `is_attended` is None for an ended attempt, False where no process drives a live one. `manifest` is the
    digest over `outputs`, None until they were digested; `skipped` are outputs that could not be kept.
    """

    run: RunDocument
    document: AttemptDocument | None
    attempts: tuple[AttemptLine, ...]
    ranks: tuple[RankFacts, ...]
    events: tuple[Event, ...]
    outputs: tuple[OutputFile, ...]
    manifest: str | None
    skipped: dict[str, str]
    is_attended: bool | None
    is_pruned: bool
    record_location: str
    outputs_location: str | None
    logs_location: str | None
    tags: Mapping[str, str] = field(default_factory=dict)
    mlflow: str | None = None
    """The attempt's MLflow run: its page, or its id; None where it is not tracked."""
    damage: tuple[str, ...] = ()
    """Documents of the run that cannot be read, each in words that name it: what they would tell is left out."""

    @property
    def status(self) -> Status:
        """The attempt's status; NotStarted before the first."""
        return self.document.status if self.document else Status.NOT_STARTED

    @property
    def outcome(self) -> Outcome | None:
        """How the attempt ended, None while it has not."""
        return self.document.outcome if self.document else None

    @property
    def packages(self) -> tuple[str, ...]:
        """Every package of the run's environment with its version."""
        return tuple((self.document.environment or {}).get("packages") or ()) if self.document else ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What preparing the run found worth a word."""
        return tuple((self.document.environment or {}).get("warnings") or ()) if self.document else ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What the job asks for that its target does not have and that changes no result."""
        from ..targets.compute_settings import notes

        return tuple(notes(self.run.spec))

    @property
    def duration(self) -> float | None:
        """Seconds from the start to the end, to now for a live attempt; None before the start."""
        return (
            None
            if self.document is None
            else seconds_between(self.document.started_at, self.document.ended_at)
        )

    @property
    def waits_for_a_look(self) -> bool:
        """Whether something may have become of it since anybody looked."""
        document = self.document
        if document is None or self.is_pruned:
            return False
        return self.is_attended is not True and not document.is_over

    def to_json(self) -> dict[str, Any]:
        """A JSON object with ISO times; documents as they are in the record."""
        outcome = self.outcome
        return {
            "run": self.run.to_json(),
            "attempt": self.document.to_json() if self.document else None,
            "status": self.status.value,
            "reason": outcome.reason.value if outcome else None,
            "advice": outcome.reason.rule.advice if outcome else "",
            "duration_seconds": None if self.duration is None else round(self.duration, 3),
            "is_attended": self.is_attended,
            "is_pruned": self.is_pruned,
            "notes": list(self.notes),
            "attempts": [
                {
                    **asdict(line),
                    "created_at": iso(line.created_at),
                    "started_at": iso(line.started_at),
                    "ended_at": iso(line.ended_at),
                }
                for line in self.attempts
            ],
            "ranks": [asdict(rank) for rank in self.ranks],
            "events": [
                {"at": iso(e.at), "kind": e.kind, "message": e.message, "data": e.data} for e in self.events
            ],
            "outputs": [asdict(file) for file in self.outputs],
            "manifest": self.manifest,
            "skipped": self.skipped,
            "tags": dict(self.tags),
            "mlflow": self.mlflow,
            "damage": list(self.damage),
            "locations": {
                "record": self.record_location,
                "outputs": self.outputs_location,
                "logs": self.logs_location,
            },
        }


def view(found: Found, number: int | None = None) -> RunView:
    """A run through its newest attempt, or through attempt `number`.

    A pruned run answers from its tombstone. Raises `NotFound` for an attempt that there is not.
    """
    record, run = found.record, found.run
    numbers = record.attempts()
    if not numbers:
        document = run.last_attempt()
        if number is not None and (document is None or document.attempt != number):
            raise NotFound(f"attempt {number} of {run.run_id}", record.store.display)
        return _without_attempt(record, run, document)
    if number is not None and number not in numbers:
        known = ", ".join(map(str, numbers))
        raise NotFound(f"attempt {number} of {run.run_id} (there is {known})", record.store.display)
    attempt = record.attempt(numbers[-1] if number is None else number)
    document = attempt.document()
    damage: list[str] = []
    manifest = _whole(attempt.manifest, damage)
    if manifest is not None:
        outputs = tuple(OutputFile(e.path, e.size, e.sha256) for e in manifest.entries)
    else:
        skip = len("outputs/")
        outputs = tuple(OutputFile(f.path[skip:], f.size) for f in listing(attempt, "outputs"))
    return RunView(
        run=run,
        document=document,
        attempts=_lines(record, numbers, damage),
        ranks=rank_facts(attempt, damage),
        events=tuple(attempt.events())[-_EVENTS_KEPT:],
        outputs=outputs,
        manifest=manifest.digest if manifest else None,
        skipped=manifest.skipped if manifest else {},
        is_attended=is_attended(record, document),
        is_pruned=False,
        record_location=record.location,
        outputs_location=f"{attempt.location}/outputs",
        logs_location=f"{attempt.location}/logs",
        tags=tags_of(run, attempt),
        mlflow=_whole(lambda: _mlflow(attempt), damage),
        damage=tuple(damage),
    )


def rank_facts(attempt: Attempt, damage: list[str] | None = None) -> tuple[RankFacts, ...]:
    """What the agent wrote down of each rank, ascending; empty before the ranks came.

    Words about each file that cannot be read are added to `damage`.
    """
    found = []
    for name in names(attempt, "ranks"):
        if name.endswith(".json"):
            facts = _whole(partial(_facts, attempt, f"ranks/{name}"), damage)
            found += [facts] if facts is not None else []
    return tuple(sorted(found, key=lambda facts: facts.rank))


def _facts(attempt: Attempt, path: str) -> RankFacts | None:
    data = attempt.read_file(path)
    where = f"{attempt.location}/{path}"
    return None if data is None else RankFacts.from_json(parse_object(data, where), where=where)


def _whole(read: Callable[[], T | None], damage: list[str] | None) -> T | None:
    """What `read` gives; None, and words about it, where the document cannot be read."""
    try:
        return read()
    except (UnreadableDocument, StoreError) as error:
        if damage is not None:
            damage.append(error.message)
        return None


def _lines(record: Record, numbers: list[int], damage: list[str]) -> tuple[AttemptLine, ...]:
    documents = [_whole(record.attempt(number).document, damage) for number in numbers]
    return tuple(_line(document) for document in documents if document is not None)


def seconds_between(start: float | None, end: float | None) -> float | None:
    """Seconds from `start` to `end`, or to now where there is no end yet; None without a start."""
    if start is None:
        return None
    return max(0.0, (end if end is not None else time.time()) - start)


def _without_attempt(record: Record, run: RunDocument, document: AttemptDocument | None) -> RunView:
    left = (run.tombstone or {}).get("outputs") or {}
    return RunView(
        run=run,
        document=document,
        attempts=(_line(document),) if document else (),
        ranks=(),
        events=(),
        outputs=(),
        manifest=left.get("digest"),
        skipped={},
        is_attended=None,
        is_pruned=run.tombstone is not None,
        record_location=record.location,
        outputs_location=None,
        logs_location=None,
        tags=tags_of(run, None),
    )


def _mlflow(attempt: Attempt) -> str | None:
    tracked = read_tracked(attempt)
    if tracked is None or tracked.mlflow_run_id is None:
        return None
    return tracked.url or f"run {tracked.mlflow_run_id}; `pulumi-training mlflow` shows it"


def _line(document: AttemptDocument) -> AttemptLine:
    outcome = document.outcome
    return AttemptLine(
        number=document.attempt,
        status=document.status.value,
        reason=outcome.reason.value if outcome else None,
        message=outcome.message if outcome else document.progress or "",
        created_at=document.created_at,
        started_at=document.started_at,
        ended_at=document.ended_at,
        retry_of=document.notes.retry_of,
    )
