"""Sets a run going: plans what can be planned at once, and hands it to whoever drives it."""

from __future__ import annotations

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

_drives_here = False


def start(record: Record, number: int, base: Path, secrets: Mapping[str, str]) -> None:
    """Makes sure that somebody drives the attempt; harmless where somebody does.

    What is prepared already is planned here, so that the supervisor need not load what planning needs.
    """
    attempt = record.attempt(number)
    document = attempt.document()
    if document.is_over:
        dismiss(record, number)
        return
    if is_driven(record):
        dismiss(record, number)
        if _drives_here and secrets:
            from .unattended.loop import tell_secrets

            tell_secrets(record, secrets)
        return
    run = record.run_document()
    target = catalog.get(run.job.compute.target, document.target_package)
    resumes = document.notes.retry_of is not None or document.notes.resumes
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
        _drive_here(record, number, base, secrets)


def let_go(seconds: float) -> None:
    """Lets go of the runs that this process drives itself; steps under way get so many seconds."""
    if _drives_here:
        from .unattended.loop import detach

        detach(seconds)


def is_on_its_way(record: Record, number: int) -> bool:
    """Whether this process is not needed any more for an attempt to begin: a supervisor has it, or its service."""
    document = record.attempt(number).document()
    if document.handle is not None or not document.is_live:
        return True
    return not isinstance(catalog.get(document.target, document.target_package), RunsUnattended)


def _drive_here(record: Record, number: int, base: Path, secrets: Mapping[str, str]) -> None:
    from .unattended.loop import drive_here  # of no use where supervisors drive

    global _drives_here
    _drives_here = True
    drive_here(record, number, base, secrets)


def _plan_at_once(record: Record, number: int, base: Path, secrets: Mapping[str, str]) -> None:
    attempt = record.attempt(number)
    run = record.run_document()
    if run.job.inputs or run.job.resume_from:
        return  # data is brought by the driver, with its progress
    target = catalog.get(run.job.compute.target)
    spec = attempt_run(record, attempt, base, secrets)
    prepared = target.find_prepared(spec)
    if prepared is not None:
        record_plan(attempt, target.plan(spec, prepared), prepared)
