"""What MLflow has yet to hear of a run's ended attempts: told now, or by a process of its own."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..record.record import Record
from ..spec.errors import TrainingError
from ..spec.tracking import is_server
from ..spec.tracking_variables import CREDENTIALS
from ..tracking.place import place_of
from .supervisor import is_driven, spawn

if TYPE_CHECKING:
    from ..spec.job import JobSpec
    from ..tracking.tracker import Tracker

log = logging.getLogger(__name__)
_SECONDS = 600.0


@dataclass(frozen=True)
class CaughtUp:
    """An ended attempt that MLflow lagged behind, and why it still does; None where it knows all now."""

    attempt: int
    problem: str | None


def catch_up(record: Record, base: Path, credentials: Mapping[str, str] | None = None) -> None:
    """Starts a process that tells MLflow what it missed, where there is anything; returns at once.

    `credentials` open the tracking server, beside those in this process's environment; see `credentials_in`.
    Never fails: a run is no worse for what MLflow does not know.
    """
    try:
        if record.exists() and _behind(record) and not is_driven(record):
            newest = record.newest()
            if newest is not None:
                spawn(record, newest.number, base, credentials or {})
    except (TrainingError, OSError) as error:
        log.warning("tracking of %s is not caught up: %s", record.run_id, error)


def credentials_in(*inputs: Mapping[str, object]) -> dict[str, str]:
    """What opens the tracking server among the secrets of a job as it came over the wire; later ones win."""
    found: dict[str, str] = {}
    for job in inputs:
        secrets = job.get("secretEnvironmentVariables")
        if isinstance(secrets, Mapping):
            found |= {n: v for n in CREDENTIALS if isinstance(v := secrets.get(n), str)}
    return found


def use_credentials(secrets: Mapping[str, str]) -> None:
    """Lets MLflow in this process log in with what a run's secrets have, in place of its environment's."""
    os.environ.update({name: secrets[name] for name in CREDENTIALS if secrets.get(name)})


def with_tracking_credentials(job: JobSpec) -> JobSpec:
    """The job with what opens its tracking server among its secrets, as this process's environment has it."""
    if job.compute is None or not is_server(job.compute.tracking_uri or ""):
        return job
    from ..tracking.login import (
        own_credentials,
    )  # a supervisor, which loads this module too, has no use for it

    found = own_credentials()
    found |= job.secret_environment_variables
    return job.model_copy(update={"secret_environment_variables": found}) if found else job


def make_up(record: Record) -> None:
    """Tells MLflow of every ended attempt what it missed; one that it does not take now stays for the next time."""
    from ..tracking.tracker import Tracker

    for number in _behind(record):
        tracker = Tracker.of(record, record.attempt(number))
        if tracker is not None:
            finish(tracker)


def catch_up_now(record: Record) -> list[CaughtUp]:
    """Tells MLflow what it missed of the ended attempts of a run, and waits; those too whose MLflow run was deleted.

    A run that was restored goes on; one that is gone for good is written anew.
    """
    from ..tracking.tracked import is_behind, read_tracked
    from ..tracking.tracker import Tracker
    from ..tracking.troubles import TrackingError

    answered = []
    place = place_of(record.run_document().job, record.store)
    for number in record.attempts() if place is not None else ():
        attempt = record.attempt(number)
        before = read_tracked(attempt)
        if place is not None and before is not None and before.is_deleted:
            try:
                from ..tracking.writer import Writer

                Writer(record, attempt, place).take_up_again()
            except TrackingError as error:
                answered.append(CaughtUp(number, error.message))
                continue
        if is_behind(attempt, attempt.document()):
            tracker = Tracker.of(record, attempt)
            if tracker is not None:
                finish(tracker)
            after = read_tracked(attempt)
            is_left = is_behind(attempt, attempt.document()) or (after is not None and after.is_deleted)
            words = (after.warning if after else None) or "another process is telling it"
            answered.append(CaughtUp(number, words if is_left else None))
    return answered


def finish(tracker: Tracker) -> None:
    """Has the rest of an ended attempt sent, and waits for it."""
    tracker.end()
    tracker.join(_SECONDS)


def _behind(record: Record) -> list[int]:
    if place_of(record.run_document().job, record.store) is None:
        return []
    from ..tracking.tracked import is_behind

    found = []
    for number in record.attempts():
        attempt = record.attempt(number)
        if is_behind(attempt, attempt.document()):
            found.append(number)
    return found
