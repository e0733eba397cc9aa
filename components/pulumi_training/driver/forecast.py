"""How long a run will take and what it will cost, going by the last run of the same resource."""

from __future__ import annotations

from dataclasses import dataclass

from ..record.record import Record
from ..record.store import Store
from ..spec.document import UnreadableDocument
from ..spec.errors import SpecError
from ..spec.recorded import RecordedJob
from .intend import runs_of_owner
from .policy import Policy


@dataclass(frozen=True)
class Forecast:
    """`seconds` is the last run's wall time, None where there was none; `cost` in the cluster's currency."""

    where: str
    seconds: float | None = None
    cost: float | None = None

    def __str__(self) -> str:
        words = [f"will run {self.where}"]
        if self.seconds is None:
            words.append("how long it takes is not known yet")
        else:
            words.append(f"about {duration(self.seconds)} as last time")
        if self.cost is not None:
            words.append(f"cost about {self.cost:.2f}")
        return ", ".join(words)


def forecast(store: Store, urn: str, job: RecordedJob, summary: str) -> Forecast:
    """The forecast for a job as recorded; `summary` says how wide it is."""
    where = f"{summary or 'one process'} (cluster {job.compute.cluster})"
    policy = Policy.of(job)
    for run_id in reversed(runs_of_owner(store, urn)):
        try:
            document = Record(store, run_id).newest_document()
        except (UnreadableDocument, SpecError):
            continue  # an older run that cannot be read tells nothing
        if (
            document
            and document.outcome
            and document.outcome.is_success
            and document.started_at
            and document.ended_at
        ):
            seconds = document.ended_at - document.started_at
            return Forecast(where, seconds, policy.cost(seconds))
    return Forecast(where)


def duration(seconds: float) -> str:
    """A time for people, as `12 s`, `5 min` or `2.5 h`."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
