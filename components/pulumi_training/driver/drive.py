"""One run from where it stands to its end: whoever holds the driver's lock does this, in whatever process."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..record.attempt import Attempt
from ..record.documents import AttemptDocument
from ..record.holder import this_process
from ..record.lock import DriverLock
from ..record.record import Record
from ..spec.outcome import Outcome
from ..spec.recorded import RecordedJob
from ..spec.secrecy import names_in
from ..targets import catalog
from .attempt_run import driven_on
from .passage import Passage
from .patience import quietly
from .policy import Policy

if TYPE_CHECKING:
    from ..tracking.tracker import Tracker

WAITS = "the secrets of this run are known to the next `pulumi up` only"
_BEHIND_SECONDS = 0.02
_IN_FLIGHT_SECONDS = 1.0
"""How long a backend may still carry out the last request of a process that died a moment ago."""


def drive(
    record: Record,
    number: int,
    base: Path,
    secrets: Mapping[str, str],
    trackers: list[Tracker] | None = None,
    behind: str = "",
) -> Outcome | None:
    """Takes an attempt, and the retries that follow it, to the end; returns the last outcome.

    Returns None where another process drives the run, and where an attempt is to be started that needs
    secrets which this process was not given. Continues whatever a process before it began: every step is
    found in the record, or at the target, before it is taken.

    Attempts of a tracked run are followed by a tracker each, added to `trackers` and not waited for; without
    that list they are left for whoever catches up.

    `behind` is the token of a hold of the lock, which is waited for: its process submits (`driver.ahead`), and
    this one goes on from there.
    """
    lock = DriverLock(record)
    if not (_acquired_behind(lock, behind) if behind else lock.acquire()):
        return None
    with lock:
        while True:
            run = record.run_document()
            policy = Policy.of(run.job)
            attempt = record.attempt(number)
            if lacks_secrets(run.job, attempt.document(), secrets):
                attempt.event("waiting", WAITS)
                return None
            before = attempt.document()
            target = catalog.get(before.target, before.target_package)  # the job may have been moved since
            # What another machine began is said to be its own until the end: whoever comes next must know that not all
            # of it may be seen from here (`Handle.driven_on`).
            if before.is_live and not driven_on(before):
                note_driver(attempt)
            tracker = _tracker_of(record, attempt, run.job) if trackers is not None else None
            if tracker is not None and trackers is not None:
                trackers.append(tracker)
            outcome = Passage(record, attempt, target, policy, base, secrets, tracker).take()
            if tracker is not None:
                tracker.end()
            following = next_attempt(record, attempt)
            if following is None:
                return outcome
            _wait(policy.backoff_after(attempt.document().tries), following)
            number = following.number


def _acquired_behind(lock: DriverLock, token: str) -> bool:
    while not lock.acquire():
        found = lock.holder()
        if found is not None and found.token not in ("", token):
            return False
        time.sleep(_BEHIND_SECONDS)
    if lock.succeeds is not None:
        time.sleep(_IN_FLIGHT_SECONDS)
    return True


def _tracker_of(record: Record, attempt: Attempt, job: RecordedJob) -> Tracker | None:
    if not job.compute.tracking_uri:
        return None
    from ..tracking.tracker import Tracker

    return Tracker.of(record, attempt)


def note_driver(attempt: Attempt) -> None:
    """Notes that this process drives an attempt from now on."""
    me = this_process()
    holder = {"pid": me.pid, "host": me.host, "boot_id": me.boot_id, "started_at": time.time()}
    quietly(attempt.update, supervisor=holder)


def next_attempt(record: Record, before: Attempt) -> Attempt | None:
    """The intent of the retry that is due after `before`; None where none is, or somebody asked to stop meanwhile.

    It remembers its series, and what the attempt before it left to resume from.
    """
    ended = before.document()
    if not ended.notes.will_retry:
        return None
    if ended.cancel_requested:
        before.update(notes=ended.notes.changed(will_retry=False))
        return None
    number = ended.attempt + 1
    attempt = record.start_attempt(
        AttemptDocument(
            run_id=record.run_id,
            attempt=number,
            target=ended.target,
            acknowledged=ended.acknowledged,
            backend=ended.backend,
            target_package=ended.target_package,
            notes=ended.notes.changed(will_retry=False, retry_of=ended.attempt),
        )
    )
    return attempt or record.attempt(number)


def lacks_secrets(job: RecordedJob, document: AttemptDocument, secrets: Mapping[str, str]) -> bool:
    """Whether the script would start without its secrets; what runs, ended or is to be stopped needs none."""
    if document.handle is not None or document.cancel_requested or not document.is_live:
        return False
    return not {*job.secret_environment_variables, *names_in(job.document)} <= set(secrets)


def _wait(seconds: float, attempt: Attempt) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0 and not attempt.document().cancel_requested:
        time.sleep(min(0.5, left))
