"""Sets a run going: plans what can be planned at once, and hands it to whoever drives it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ..record.record import Record
from ..spec.errors import TrainingError
from ..spec.outcome import Status
from ..targets import catalog
from ..targets.contract.capabilities import RunsUnattended
from .ahead import Ahead
from .attempt_run import attempt_run, record_plan
from .supervisor import dismiss, is_driven, spawn, stand_by


def start(record: Record, number: int, base: Path, secrets: Mapping[str, str]) -> None:
    """Makes sure that somebody drives the attempt; harmless where somebody does.

    What is prepared already is planned here, so that the supervisor need not load what planning needs.
    """
    attempt = record.attempt(number)
    document = attempt.document()
    if document.status.is_terminal and not document.notes.get("will_retry"):
        dismiss(record, number)
        return
    if is_driven(record):
        dismiss(record, number)
        return
    run = record.run_document()
    target = catalog.get(run.spec["compute"]["target"], document.target_package)
    resumes = "retry_of" in document.notes or document.notes.get("resumes")
    if document.status is Status.NOT_STARTED and document.plan is None and not resumes:
        # What is wrong here goes wrong for the driver too, which gives it a reason in the record.
        with suppress(TrainingError):
            _plan_at_once(record, number, base, secrets)
    if not isinstance(target, RunsUnattended):
        ahead = Ahead.of(record, number, base, secrets) if target.submits_by_requests else None
        if ahead is None:
            spawn(record, number, base, secrets)
            return
        dismiss(record, number)
        try:
            release = stand_by(record, number, base, secrets, ahead.token)
        except BaseException:
            ahead.give_up()
            raise
        ahead.start(release)
    else:
        from .drive import drive

        threading.Thread(
            target=drive, args=(record, number, base, secrets), name=f"drive-{record.run_id}", daemon=True
        ).start()


def _plan_at_once(record: Record, number: int, base: Path, secrets: Mapping[str, str]) -> None:
    attempt = record.attempt(number)
    run = record.run_document()
    if run.spec.get("inputs") or run.spec.get("resumeFrom"):
        return  # data is brought by the driver, with its progress
    target = catalog.get(run.spec["compute"]["target"])
    spec = attempt_run(record, attempt, base, secrets)
    prepared = target.find_prepared(spec)
    if prepared is not None:
        record_plan(attempt, target.plan(spec, prepared), prepared)
