"""`Run.get_details()`: what is known of a run in Azure ML's words, as a dict that answers attributes too."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from typing import Any

from ..record.record import Record
from ..spec.errors import PermanentError
from ..spec.outcome import Outcome
from ..spec.times import iso
from .files import listing
from .find import Found
from .view import RunView, view


class Details(dict[str, Any]):
    """A dict: `details["status"]` and `details.status` are the same."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            near = difflib.get_close_matches(name, list(self), n=1)
            words = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(self)}"
            raise AttributeError(f"the details of a run have no {name!r}{words}") from None

    def _repr_pretty_(self, printer: Any, is_cycle: bool) -> None:
        printer.text(json.dumps(self, indent=2, default=str))


def details_of(record: Record, status: str) -> Details:
    """The details of a recorded run; `status` is where it stands, which may be newer than its record.

    Times are UTC, as `2026-01-31T12:00:00Z`; `logFiles` are places in the record and never expire.
    """
    run = record.run_document()
    seen = view(Found(record, run))
    document = seen.document
    details = Details(
        runId=run.run_id,
        target=run.job.compute.cluster or run.job.compute.target,
        status=status,
        startTimeUtc=iso(document.started_at) if document else None,
    )
    if document is not None and document.ended_at:
        details["endTimeUtc"] = iso(document.ended_at)
    details |= {
        "properties": _properties(seen),
        "inputDatasets": _data(run.job.inputs),
        "outputDatasets": _data(run.job.outputs),
        "runDefinition": run.spec,
        "logFiles": _log_files(record, seen),
        "tags": seen.tags,
        "warnings": list(seen.warnings),
    }
    if seen.outcome is not None and not seen.outcome.is_success:
        details["error"] = _error(seen.outcome)
    return details


def failure(run_id: str, outcome: Outcome, logs: str | None) -> PermanentError:
    """How a run failed, as an error: the reason, the last lines of who failed first, and where to read on."""
    words = [f"run {run_id} failed: {outcome.reason.value}: {outcome.message}"]
    if outcome.log_tail.strip():
        words += ["last lines:", *(f"  {line}" for line in outcome.log_tail.splitlines())]
    if logs is not None:
        words.append(f"logs: {logs}")
    if advice := _advice(outcome):
        words.append(advice)
    return PermanentError(outcome.reason, "\n".join(words), log_tail=outcome.log_tail)


def _advice(outcome: Outcome) -> str:
    """What to do next, for whoever submitted the run and for whoever declared it."""
    return outcome.reason.rule.advice.replace("`pulumi up`", "`experiment.submit(...)` or `pulumi up`")


def _properties(seen: RunView) -> dict[str, str]:
    """What does not change any more, as texts; the SDK's own names for git."""
    document = seen.document
    found = {
        "attempt": str(document.attempt) if document else None,
        "runKey": seen.run.run_key,
        "ContentSnapshotId": seen.run.source_digest,
        "recordLocation": seen.record_location,
        "outputsLocation": seen.outputs_location,
        "logsLocation": seen.logs_location,
        "project": seen.run.owner.get("project"),
        "stack": seen.run.owner.get("stack"),
        "experiment": seen.run.job.experiment_name,
    }
    git = document.notes.git if document else {}
    for name in ("commit", "branch", "dirty"):
        if name in git:
            found[f"azureml.git.{name}"] = str(git[name])
    return {name: value for name, value in found.items() if value}


def _data(places: Mapping[str, Mapping[str, object]]) -> list[dict[str, Any]]:
    return [{"name": name, **entry} for name, entry in places.items()]


def _log_files(record: Record, seen: RunView) -> dict[str, str]:
    if seen.document is None or seen.logs_location is None:
        return {}
    attempt = record.attempt(seen.document.attempt)
    return {file.path: f"{attempt.location}/{file.path}" for file in listing(attempt, "logs")}


def _error(outcome: Outcome) -> dict[str, Any]:
    error = {
        "code": outcome.reason.value,
        "message": outcome.message,
        "rank": outcome.rank,
        "node": outcome.node,
        "exitCode": outcome.exit_code,
        "signal": outcome.signal,
        "exception": outcome.exception,
        "logTail": outcome.log_tail,
        "advice": _advice(outcome),
    }
    return {"error": {name: value for name, value in error.items() if value not in (None, "")}}
