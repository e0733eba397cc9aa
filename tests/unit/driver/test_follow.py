"""Following a run by its record: retries, drivers that died, a wait that is given up."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from driver_fakes import Backend, Died, Job, failed, succeeded

from pulumi_training.driver import follow as follow_module
from pulumi_training.driver.attach import observed
from pulumi_training.driver.drive import drive
from pulumi_training.driver.follow import Detached, Follower, describe
from pulumi_training.driver.intend import intend
from pulumi_training.driver.start import start
from pulumi_training.record.documents import AttemptDocument
from pulumi_training.record.record import Record
from pulumi_training.spec.errors import PermanentError
from pulumi_training.spec.outcome import Reason, Status


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow_module, "_CHECK_DRIVER_SECONDS", 0.05)
    monkeypatch.setattr(follow_module, "_LOOK_SECONDS", 0.01)


def follower(
    job: Job, record: Record, given_up: Callable[[], bool] = lambda: False
) -> tuple[Follower, list[str]]:
    lines: list[str] = []

    async def blocking(call: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.to_thread(call, *arguments)

    return Follower(record, job.base, {}, lines.append, given_up, blocking), lines


def follow(job: Job, record: Record, number: int = 1, **options: Any) -> tuple[AttemptDocument, list[str]]:
    deadline = options.pop("deadline", None)
    found, lines = follower(job, record, **options)
    return asyncio.run(found.follow(number, deadline)), lines


def begin(job: Job, **changes: Any) -> Record:
    return intend(job.request(**changes), job.tree, lambda line: None).record


def test_a_run_that_nobody_drives_gets_a_driver(backend: Backend, job: Job) -> None:
    record = begin(job)
    document, lines = follow(job, record)
    assert document.status is Status.COMPLETED and lines[0] == "starting"
    assert len(backend.submitted) == 1


def test_retries_are_followed_to_the_last(backend: Backend, job: Job) -> None:
    backend.script = lambda run: failed() if run.attempt < 3 else succeeded()
    record = begin(job, retries={"maxAttempts": 3, "on": ["script_failed"], "backoffSeconds": 0})
    start(record, 1, job.base, {})
    document, lines = follow(job, record)
    assert (document.attempt, document.status) == (3, Status.COMPLETED)
    assert any("attempt 1 ended as Failed; trying again" in line for line in lines)


def test_a_driver_that_died_before_the_retry_is_replaced(
    backend: Backend, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.script = lambda run: failed() if run.attempt == 1 else succeeded()
    record = begin(job, retries={"maxAttempts": 2, "on": ["script_failed"], "backoffSeconds": 0})

    def dying(self: Record, document: Any) -> Any:
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(Record, "start_attempt", dying)
        with pytest.raises(Died):
            drive(record, 1, job.base, {})
    document, _ = follow(job, record)
    assert (document.attempt, document.status) == (2, Status.COMPLETED)


def test_drivers_that_die_at_once_are_given_up(
    backend: Backend, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow_module, "start", lambda *_: None)
    record = begin(job)
    with pytest.raises(PermanentError) as caught:
        follow(job, record)
    assert caught.value.reason is Reason.SUPERVISOR_LOST
    assert record.attempt(1).document().is_live, "nothing is said of the run itself"


def test_the_wait_is_given_up_and_the_run_is_not(backend: Backend, job: Job) -> None:
    backend.script = lambda run: None
    record = begin(job)
    start(record, 1, job.base, {})
    ends = time.monotonic() + 0.3
    with pytest.raises(Detached):
        follow(job, record, given_up=lambda: time.monotonic() > ends)
    with pytest.raises(TimeoutError, match="goes on"):
        follow(job, record, deadline=time.monotonic() + 0.05)
    assert record.attempt(1).document().is_live
    backend.live[record.run_id, 1] = succeeded()
    assert follow(job, record)[0].status is Status.COMPLETED


def test_a_run_that_ended_unseen_is_settled_by_whoever_looks(backend: Backend, job: Job) -> None:
    backend.script, backend.dies_after = (lambda run: None), "observe"
    record = begin(job)
    with pytest.raises(Died):
        drive(record, 1, job.base, {})
    backend.live[record.run_id, 1] = succeeded()
    assert observed(record, record.attempt(1), job.base).status is Status.COMPLETED


def test_looking_starts_nothing_that_was_not_submitted(backend: Backend, job: Job) -> None:
    record = begin(job)
    assert observed(record, record.attempt(1), job.base).status is Status.NOT_STARTED
    assert backend.submitted == [] and threading.active_count() >= 1


def test_where_it_stands_in_words() -> None:
    assert describe(AttemptDocument("r", 1, Status.QUEUED)) == "queued"
    assert describe(AttemptDocument("r", 2, Status.RUNNING, progress="epoch 3")) == "attempt 2: epoch 3"
    assert describe(AttemptDocument("r", 2, Status.RUNNING, cancel_requested=True)) == "stopping"
