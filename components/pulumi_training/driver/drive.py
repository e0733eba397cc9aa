"""One run from where it stands to its end: whoever holds the driver's lock does this, in whatever process."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from ..record.attempt import Attempt
from ..record.documents import AttemptDocument
from ..record.holder import this_process
from ..record.lock import DriverLock
from ..record.record import Record
from ..record.sources import fetch
from ..spec.outcome import Outcome
from ..targets import catalog
from .folders import link_folders
from .passage import Passage
from .policy import Policy


def drive(record: Record, number: int, base: Path, secrets: Mapping[str, str]) -> Outcome | None:
    """Takes an attempt, and the retries that follow it, to the end; returns the last outcome.

    Returns None where another process drives the run. Continues whatever a process before it began: every
    step is found in the record, or at the target, before it is taken.
    """
    lock = DriverLock(record)
    if not lock.acquire():
        return None
    with lock:
        while True:
            run = record.run_document()
            policy = Policy.of(run.spec)
            attempt = record.attempt(number)
            me = this_process()
            attempt.update(
                supervisor={"pid": me.pid, "host": me.host, "boot_id": me.boot_id, "started_at": time.time()}
            )
            target = catalog.get(run.spec["compute"]["target"])
            outcome = Passage(record, attempt, target, policy, base, secrets).take()
            document = attempt.document()
            if not document.notes.get("will_retry"):
                return outcome
            following = _next_attempt(record, document)
            tries = number - int(document.notes["series_start"]) + 1
            _wait_until(time.time() + policy.backoff_after(tries), following)
            _unpack_code(following)
            number = following.number


def _next_attempt(record: Record, ended: AttemptDocument) -> Attempt:
    """The intent of the retry: it remembers its series, and what the attempt before it left to resume from."""
    number = ended.attempt + 1
    attempt = record.start_attempt(
        AttemptDocument(
            run_id=record.run_id,
            attempt=number,
            target=ended.target,
            acknowledged=ended.acknowledged,
            notes={**ended.notes, "will_retry": False, "retry_of": ended.attempt},
        )
    )
    return attempt or record.attempt(number)


def _unpack_code(attempt: Attempt) -> None:
    """Gives a retry the source of its run from the archive: the tree on disk may have changed since."""
    code = attempt.prepare_folder() / "code"
    if code.exists():
        return
    temporary = attempt.folder / "code.part"
    shutil.rmtree(temporary, ignore_errors=True)
    fetch(attempt.store, attempt.document().notes["tree_digest"], temporary)
    link_folders(temporary)
    temporary.rename(code)
    before = attempt.store.read(
        f"runs/{attempt.run_id}/attempts/{attempt.document().notes['retry_of']}/source.json"
    )
    attempt.store.write(f"{attempt.prefix}/source.json", before)


def _wait_until(when: float, attempt: Attempt) -> None:
    while time.time() < when and not attempt.document().cancel_requested:
        time.sleep(min(0.5, max(0.01, when - time.time())))
