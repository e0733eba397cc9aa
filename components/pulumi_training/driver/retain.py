"""Which records of a workspace may go, and their going."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..record.claims import claims
from ..record.record import Record
from ..record.retention import prune
from ..record.runs import RunSummary, UnreadableRun, runs
from ..record.store import Store
from ..spec.document import UnreadableDocument
from ..spec.errors import TrainingError


@dataclass(frozen=True)
class Retention:
    """What is kept: the last `keep_last` runs and the `keep_best` best by a metric; None keeps by the other alone.

    `workspace` and `job` narrow it to runs of that workspace and of jobs of that name.
    """

    keep_last: int | None = None
    keep_best: int | None = None
    metric: str | None = None
    maximize: bool = True
    workspace: str | None = None
    job: str | None = None

    def removable(self, found: Iterable[RunSummary]) -> list[str]:
        """The ids of the runs that may go, oldest first.

        A live run stays, and so does the newest run of each resource: a stack points to its outputs.
        """
        candidates, newest_of = [], set()
        for summary in found:  # newest first
            if summary.run.tombstone is not None or not self._is_ours(summary):
                continue
            candidates.append(summary)
        kept = set()
        for summary in candidates:
            owner = summary.run.owner.get("urn", "")
            if owner not in newest_of or summary.attempt is None or summary.attempt.is_live:
                newest_of.add(owner)
                kept.add(summary.run.run_id)
        if self.keep_last is not None:
            kept |= {summary.run.run_id for summary in candidates[: self.keep_last]}
        if self.keep_best is not None and self.metric is not None:
            kept |= {summary.run.run_id for summary in self._best(candidates)[: self.keep_best]}
        if self.keep_last is None and self.keep_best is None:
            return []
        return [summary.run.run_id for summary in reversed(candidates) if summary.run.run_id not in kept]

    def _is_ours(self, summary: RunSummary) -> bool:
        if self.workspace is not None and summary.run.workspace != self.workspace:
            return False
        return self.job is None or summary.run.name == self.job

    def _best(self, found: list[RunSummary]) -> list[RunSummary]:
        def value(summary: RunSummary) -> float:
            metrics = (summary.attempt.metrics if summary.attempt else None) or {}
            number = float(metrics.get(self.metric or "", math.nan))
            return number if self.maximize else -number

        return sorted((s for s in found if not math.isnan(value(s))), key=value, reverse=True)


def removable(
    store: Store, retention: Retention, passed_over: Callable[[UnreadableRun], None] = lambda _: None
) -> list[str]:
    """The runs of a store that may go now; those of which a document cannot be read stay, and go to `passed_over`.

    Stacks of one name in several backends have resources of one name: the newest run of each backend's stays.
    """
    found = list(runs(store, passed_over))
    going = retention.removable(found)
    kept = _newest_of_backends(store, found, set(going)) if going else set()
    return [
        run_id for run_id in going if run_id not in kept and _is_whole(Record(store, run_id), passed_over)
    ]


def _newest_of_backends(store: Store, found: Iterable[RunSummary], going: set[str]) -> set[str]:
    kept: set[str] = set()
    seen: set[tuple[str, str]] = set()
    owners = {summary.run.owner.get("urn", "") for summary in found if summary.run.run_id in going}
    for summary in found:  # newest first
        owner = summary.run.owner.get("urn", "")
        if owner not in owners or summary.run.tombstone is not None:
            continue
        backends = {(owner, each.backend) for each in claims(Record(store, summary.run.run_id))}
        if backends - seen:
            kept.add(summary.run.run_id)
            seen |= backends
    return kept


def _is_whole(record: Record, passed_over: Callable[[UnreadableRun], None]) -> bool:
    try:
        for number in record.attempts():
            record.attempt(number).document()
    except UnreadableDocument as error:
        passed_over(UnreadableRun(record.run_id, "", record.location, error.message))
        return False
    return True


def remove_records(
    store: Store, run_ids: Iterable[str], tell: Callable[[str], None] = lambda _: None
) -> list[str]:
    """Prunes the records of finished runs to their tombstones; returns the ids of those that went.

    `tell` is told of each that could not go now; the next call tries again.
    """
    gone = []
    for run_id in run_ids:
        try:
            prune(Record(store, run_id))
        except TrainingError as error:
            tell(f"the record of {run_id} stays: {error.message}")
            continue
        gone.append(run_id)
    return gone
