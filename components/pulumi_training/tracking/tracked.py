"""How far the tracking of an attempt came: `tracking.json` beside its document."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ..record.attempt import Attempt
from ..record.documents import ADVICE, AttemptDocument, encode, load
from ..record.store import NotFound
from ..spec.document import fields_of


@dataclass(frozen=True)
class Tracked:
    """What MLflow has of an attempt. Whoever goes on from here repeats nothing and leaves out nothing.

    `sent` has, by rank, how many bytes of its metrics MLflow has and how many points without a step were among them;
    `sending` is a batch under way (rank, end, milliseconds since 1970), sent again with the same time after a crash,
    so that MLflow knows it for the same; `outcome` is the reason that the MLflow run was ended with, None while it is
    open; `warning` says why MLflow lags behind; `is_deleted` is said of a run that somebody deleted in MLflow, which is
    told no more.
    """

    mlflow_run_id: str | None = None
    experiment_id: str | None = None
    url: str | None = None
    parameters: list[str] = field(default_factory=list)
    sent: dict[str, list[int]] = field(default_factory=dict)
    sending: list[int] | None = None
    outcome: str | None = None
    warning: str | None = None
    is_deleted: bool = False

    @property
    def variables(self) -> dict[str, str]:
        """The ids as the script's own MLflow takes them; none before there is a run."""
        if self.mlflow_run_id is None or self.experiment_id is None:
            return {}
        return {"MLFLOW_RUN_ID": self.mlflow_run_id, "MLFLOW_EXPERIMENT_ID": self.experiment_id}

    def changed(self, **changes: Any) -> Tracked:
        """A copy with `changes`."""
        return replace(self, **changes)


def read_tracked(attempt: Attempt) -> Tracked | None:
    """How far it came; None where nothing was tracked yet. Raises `UnreadableDocument`."""
    where = f"{attempt.location}/tracking.json"
    try:
        document = load(attempt.store, _key(attempt), where)
    except NotFound:
        return None
    return Tracked(**fields_of(Tracked, document, where, ADVICE))


def write_tracked(attempt: Attempt, tracked: Tracked) -> None:
    """Notes how far it came."""
    attempt.store.write(_key(attempt), encode(asdict(tracked)), durable=False)


def is_behind(attempt: Attempt, document: AttemptDocument) -> bool:
    """Whether MLflow has yet to hear how an ended attempt of a tracked run ended."""
    if document.outcome is None or not document.status.is_terminal:
        return False
    tracked = read_tracked(attempt)
    if tracked is None:
        return True
    return not tracked.is_deleted and tracked.outcome != document.outcome.reason.value


def _key(attempt: Attempt) -> str:
    return f"{attempt.prefix}/tracking.json"
