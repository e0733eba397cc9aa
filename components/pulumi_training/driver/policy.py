"""The choices about a run's course, read from its record without building the job's model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ..record.documents import AttemptDocument
from ..spec.outcome import Reason
from ..spec.recorded import RecordedJob


@dataclass(frozen=True)
class Policy:
    """What the driver obeys. Times are in seconds; None means no limit."""

    max_attempts: int
    retry_on: frozenset[str]
    backoff: float
    reruns_failed_scripts: bool
    queue_timeout: float | None
    grace: float
    expect: Mapping[str, str]
    metrics_rank: int
    shows_lines: bool
    nodes: int
    world_size: int
    price: float | None

    @classmethod
    def of(cls, job: RecordedJob) -> Policy:
        """The policy in a job as recorded."""
        return cls(
            max_attempts=job.retries.max_attempts,
            retry_on=frozenset(job.retries.on),
            backoff=job.retries.backoff_seconds,
            reruns_failed_scripts=job.rerun_failed == "on_up",
            queue_timeout=job.queue_timeout_seconds,
            grace=job.grace_period_seconds,
            expect=job.expect,
            metrics_rank=job.metrics_rank,
            shows_lines=job.log_output == "lines",
            nodes=job.node_count,
            world_size=job.world_size,
            price=job.compute.price_per_node_hour,
        )

    def grace_of(self, document: AttemptDocument) -> float:
        """Seconds between SIGTERM and SIGKILL for an attempt that is to be stopped: as asked for with the stop, if it was."""
        asked = document.notes.cancel_grace
        return self.grace if asked is None else asked

    def allows_retry(self, reason: Reason, tries: int) -> bool:
        """Whether a further try follows the `tries` that there were. Reasons are matched in snake_case."""
        return tries < self.max_attempts and retry_word(reason) in self.retry_on

    def backoff_after(self, tries: int) -> float:
        """The wait before the next try, doubled each time, ten minutes at most."""
        return float(min(600.0, self.backoff * 2 ** (tries - 1)))

    def cost(self, seconds: float) -> float | None:
        """What so many seconds on all nodes cost, or None without a price."""
        return None if self.price is None else self.nodes * seconds / 3600 * self.price


def retry_word(reason: Reason) -> str:
    """A reason in the words of `retries.on`: NodeLost is `node_lost`."""
    return re.sub(r"(?<!^)([A-Z])", r"_\1", reason.value).lower()
