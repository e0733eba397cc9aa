"""What MLflow has yet to hear of a run's ended attempts: told now, or by a process of its own."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..record.record import Record
from ..spec.errors import TrainingError
from ..spec.tracking import CREDENTIALS, is_server
from ..tracking.place import place_of
from ..tracking.tracked import is_behind
from ..tracking.tracker import Tracker
from .supervisor import is_driven, spawn

if TYPE_CHECKING:
    from ..spec.job import JobSpec

log = logging.getLogger(__name__)
_SECONDS = 600.0


def catch_up(record: Record, base: Path) -> None:
    """Starts a process that tells MLflow what it missed, where there is anything; returns at once.

    Never fails: a run is no worse for what MLflow does not know.
    """
    try:
        if record.exists() and _behind(record) and not is_driven(record):
            newest = record.newest()
            if newest is not None:
                spawn(record, newest.number, base, {})
    except (TrainingError, OSError) as error:
        log.warning("tracking of %s is not caught up: %s", record.run_id, error)


def with_tracking_credentials(job: JobSpec) -> JobSpec:
    """The job with what opens its tracking server among its secrets, as this process's environment has it."""
    if job.compute is None or not is_server(job.compute.tracking_uri or ""):
        return job
    found = {name: value for name in CREDENTIALS if (value := os.environ.get(name))}
    found |= job.secret_environment_variables
    return job.model_copy(update={"secret_environment_variables": found}) if found else job


def make_up(record: Record) -> None:
    """Tells MLflow of every ended attempt what it missed; one that it does not take now stays for the next time."""
    for number in _behind(record):
        tracker = Tracker.of(record, record.attempt(number))
        if tracker is not None:
            finish(tracker)


def finish(tracker: Tracker) -> None:
    """Has the rest of an ended attempt sent, and waits for it."""
    tracker.end()
    tracker.join(_SECONDS)


def _behind(record: Record) -> list[int]:
    if place_of(record.run_document().spec, record.store) is None:
        return []
    found = []
    for number in record.attempts():
        attempt = record.attempt(number)
        if is_behind(attempt, attempt.document()):
            found.append(number)
    return found
