"""The output properties of a training job, from its record."""

from __future__ import annotations

from typing import Any

from ..driver.forecast import duration
from ..record.attempt import Attempt
from ..record.documents import AttemptDocument, RunDocument
from ..record.record import Record
from ..spec.document import UnreadableDocument
from ..spec.errors import shorten
from ..spec.outcome import Outcome
from ..spec.outputs import Failure, FileEntry, GitState, JobOutputs
from ..spec.text import plain_log, safe, safe_log
from ..spec.times import iso
from ..tracking.tracked import Tracked, read_tracked

FILES_SHOWN = 100
_METRICS_SHOWN = 4


def outputs(record: Record, run: RunDocument, attempt: Attempt, document: AttemptDocument) -> dict[str, Any]:
    """The properties as they are kept in state: no secret, no expiring URL, 4 KiB of log at most."""
    manifest = attempt.manifest() if document.status.is_terminal else None
    entries = manifest.entries if manifest else ()
    environment = document.environment or {}
    tracked = _tracked(run, attempt)
    started, ended = document.started_at, document.ended_at
    return JobOutputs(
        run_id=run.run_id,
        run_key=run.run_key,
        source_digest=run.source_digest,
        attempt=attempt.number,
        status=document.status,
        reason=document.outcome.reason if document.outcome else None,
        failure=failure(document.outcome),
        outputs_location=f"{attempt.location}/outputs",
        logs_location=f"{attempt.location}/logs",
        record_location=record.location,
        metrics=document.metrics or {},
        files=[FileEntry(path=e.path, size=e.size, sha256=e.sha256) for e in entries[:FILES_SHOWN]],
        file_count=len(entries),
        manifest=manifest.digest if manifest else None,
        git=GitState.model_validate(document.notes.git) if document.notes.git else None,
        mlflow_run_id=tracked.mlflow_run_id,
        tracking_url=tracked.url,
        reproduce=f"pulumi-training reproduce {run.run_id} --store {record.store.display}",
        environment_lock=list(environment.get("packages") or []),
        warnings=[
            *(environment.get("warnings") or []),
            *filter(None, [tracked.warning, manifest.warning if manifest else ""]),
        ],
        submitted_at=iso(document.created_at),
        started_at=iso(started),
        ended_at=iso(ended),
        duration=round(ended - started, 3) if started and ended else None,
        cost=document.cost["amount"] if document.cost else None,
    ).to_wire()


def failure(outcome: Outcome | None) -> Failure | None:
    """Who failed first, or None where nothing failed."""
    if outcome is None or outcome.is_success:
        return None
    return Failure(
        reason=outcome.reason,
        message=safe_log(outcome.message),
        rank=outcome.rank,
        node=outcome.node,
        exit_code=outcome.exit_code,
        signal=outcome.signal,
        exception=safe(outcome.exception) if outcome.exception else None,
        log_tail=shorten(plain_log(outcome.log_tail)),
        advice=outcome.reason.rule.advice,
    )


def closing_line(document: AttemptDocument) -> str:
    """How an attempt completed, as one line: the time it took, and the last values of its metrics."""
    started, ended = document.started_at, document.ended_at
    words = ["completed" if not (started and ended) else f"completed in {duration(ended - started)}"]
    words += [
        f"{name} {value:.4g}" for name, value in list((document.metrics or {}).items())[:_METRICS_SHOWN]
    ]
    return ", ".join(words)


def reasons(outcome: Outcome | None, attempt: Attempt) -> list[str]:
    """A failure in words for the update's diagnostics: what, the last lines, where to read on, what to do."""
    if outcome is None:
        return [f"run {attempt.run_id} has no outcome"]
    lines = [f"{outcome.reason.value}: {safe_log(outcome.message) or outcome.status.value}"]
    if outcome.log_tail.strip():
        who = f"rank {outcome.rank}" if outcome.rank is not None else "the log"
        lines.append(
            f"last lines of {who}:\n"
            + "\n".join(f"  {line}" for line in plain_log(outcome.log_tail).splitlines())
        )
    if outcome.rank is not None:
        lines.append(f"log: {attempt.location}/logs/std/rank-{outcome.rank}.log")
    else:
        lines.append(f"logs: {attempt.location}/logs")
    if outcome.reason.rule.advice:
        lines.append(outcome.reason.rule.advice)
    return lines


def _tracked(run: RunDocument, attempt: Attempt) -> Tracked:
    is_tracked = run.job.compute.tracking_uri is not None
    try:
        return (read_tracked(attempt) if is_tracked else None) or Tracked()
    except UnreadableDocument as error:
        return Tracked(warning=error.message)
