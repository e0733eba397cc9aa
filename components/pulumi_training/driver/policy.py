"""The choices about a run's course, read from its record without building the job's model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..record.documents import ADVICE, AttemptDocument
from ..spec.document import DamagedDocument
from ..spec.outcome import Reason


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
    def of(cls, job: Mapping[str, Any]) -> Policy:
        """The policy in a job as recorded (wire names, defaults filled in).

        Raises:
            DamagedDocument: a part of it is missing, or is of another type.
        """
        try:
            return cls._of(job)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            what = f"{type(error).__name__}: {error}"
            raise DamagedDocument(
                "run.json (spec)", f"its policies cannot be read ({what})", ADVICE
            ) from error

    def grace_of(self, document: AttemptDocument) -> float:
        """Seconds between SIGTERM and SIGKILL for an attempt that is to be stopped: as asked for with the stop, if it was."""
        asked = document.notes.cancel_grace
        return self.grace if asked is None else asked

    @classmethod
    def _of(cls, job: Mapping[str, Any]) -> Policy:
        retries = job["retries"]
        return cls(
            max_attempts=int(retries["maxAttempts"]),
            retry_on=frozenset(retries["on"]),
            backoff=float(retries["backoffSeconds"]),
            reruns_failed_scripts=job["rerunFailed"] == "on_up",
            queue_timeout=job["queueTimeoutSeconds"],
            grace=float(job["gracePeriodSeconds"]),
            expect=job["expect"],
            metrics_rank=int(job["metricsRank"]),
            shows_lines=job["logOutput"] == "lines",
            nodes=int(job["nodeCount"]),
            world_size=int(job["nodeCount"]) * int(job["processCountPerNode"]),
            price=job["compute"].get("pricePerNodeHour"),
        )

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
