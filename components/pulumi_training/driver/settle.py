"""The end of an attempt: collect what it made, judge it, and write down the outcome, once and for all."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from typing import Any

from ..record.attempt import Attempt
from ..record.documents import AttemptDocument
from ..record.metrics import MetricsReader, read_metrics
from ..record.record import Record
from ..spec.errors import PermanentError, TrainingError
from ..spec.expectation import judge
from ..spec.outcome import Outcome, Reason, Status
from ..targets.contract.run import RunSpec
from ..targets.contract.target import Target
from .attempt_run import handle_of
from .patience import quietly
from .policy import Policy
from .row import finite

_COLLECT_TRIES = 4
_PAUSE_SECONDS = 0.5
_WARNING = "warning: "


def settle(
    record: Record, attempt: Attempt, target: Target, run: RunSpec, policy: Policy, outcome: Outcome
) -> Outcome:
    """Collects, judges and records; returns the outcome as recorded.

    Outputs are collected after a failure too. A failure to collect is the outcome only where the run itself
    did well; otherwise it stands beside the run's own reason.
    """
    document = attempt.update(status=Status.FINALIZING, progress="collecting outputs")
    quietly(attempt.event, "finalizing", outcome.message, reason=outcome.reason.value)
    failure = _collect(attempt, target, run, document)
    if failure is not None:
        if outcome.is_success:
            outcome = failure
        else:
            outcome = replace(outcome, details={**outcome.details, "collect_error": failure.message})
    if outcome.is_success:
        outcome = _verdict(read_metrics(attempt, policy.metrics_rank), policy, outcome)
    return _conclude(record, attempt, run, policy, outcome)


def judge_again(attempt: Attempt, policy: Policy) -> Outcome:
    """Judges the record of an ended attempt by the bounds of now; nothing is trained."""
    document = attempt.document()
    met = Outcome(Reason.COMPLETED)
    outcome = _verdict(read_metrics(attempt, policy.metrics_rank), policy, met)
    if document.outcome is None or outcome.to_json() != document.outcome.to_json():
        attempt.update(outcome=outcome)
        attempt.event("judged", outcome.message, reason=outcome.reason.value)
    return outcome


def collect_again(record: Record, attempt: Attempt, target: Target, run: RunSpec, policy: Policy) -> Outcome:
    """Collects the outputs of an attempt whose collection failed; nothing is trained."""
    attempt.update(status=Status.FINALIZING)
    return settle(record, attempt, target, run, policy, Outcome(Reason.COMPLETED))


def _collect(attempt: Attempt, target: Target, run: RunSpec, document: AttemptDocument) -> Outcome | None:
    def tell(line: str) -> None:
        if line.startswith(_WARNING):
            _warn(attempt, line.removeprefix(_WARNING))
        quietly(attempt.update, progress=line)

    last = ""
    for number in range(_COLLECT_TRIES):
        if number:
            time.sleep(_PAUSE_SECONDS * 2.0**number)
        try:
            if document.handle:
                target.collect(run.compute_reference, handle_of(attempt, document), run, tell)
            manifest = attempt.write_manifest(tell)
            attempt.sync_all(tell)
            if manifest.warning:
                tell(f"{_WARNING}{manifest.warning}")
            return None
        except PermanentError as error:
            return Outcome(Reason.COLLECT_FAILED, error.message)
        except (TrainingError, OSError) as error:
            last = str(error)
    return Outcome(Reason.COLLECT_FAILED, f"the outputs could not be collected: {last}")


def _warn(attempt: Attempt, words: str) -> None:
    """Once, however often it is collected."""
    if not any(event.kind == "warning" and event.message == words for event in attempt.events()):
        attempt.event("warning", words)


def _verdict(metrics: MetricsReader, policy: Policy, met: Outcome) -> Outcome:
    values = {name: [value for _, value in metrics.series(name)] for name in policy.expect}
    unmet = judge(policy.expect, values)
    if not unmet:
        return met
    details = {
        "unmet": [
            {
                "metric": u.expectation.metric,
                "expected": f"{u.expectation.relation}{u.expectation.bound:g}",
                "actual": str(u.actual),
            }
            for u in unmet
        ]
    }
    return Outcome(Reason.EXPECTATION_FAILED, "; ".join(str(u) for u in unmet), details=details)


def _conclude(record: Record, attempt: Attempt, run: RunSpec, policy: Policy, outcome: Outcome) -> Outcome:
    now = time.time()
    document = attempt.document()
    will_retry = (
        not outcome.is_success
        and not document.cancel_requested
        and policy.allows_retry(outcome.reason, document.tries)
    )
    changes: dict[str, Any] = {
        "outcome": outcome,
        "ended_at": document.ended_at or now,
        "progress": None,
        "queue_position": None,
        "metrics": finite(read_metrics(attempt, policy.metrics_rank).last_values()),
        "notes": document.notes.changed(will_retry=will_retry),
    }
    # A clock that was set back in between must not make a run cost less than nothing.
    seconds = max(0.0, now - document.started_at) if document.started_at is not None else None
    if seconds is not None and (amount := policy.cost(seconds)) is not None:
        changes["cost"] = {"amount": amount, "seconds": seconds, "nodes": policy.nodes}
    quietly(attempt.event, "ended", outcome.message, reason=outcome.reason.value, will_retry=will_retry)
    attempt.update(**changes)
    if outcome.reason is not Reason.COLLECT_FAILED:
        shutil.rmtree(
            run.code, ignore_errors=True
        )  # its archive is kept; what is left to deliver is not in it
    return outcome
