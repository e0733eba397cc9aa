"""A submission by the process that was asked for the run, with the supervisor waiting behind it."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

import pytest
from driver_fakes import AttendedTarget, Backend, Died, FakeTarget, Job

from pulumi_training.driver import ahead as ahead_module
from pulumi_training.driver import drive as drive_module
from pulumi_training.driver import start as start_module
from pulumi_training.driver.ahead import Ahead
from pulumi_training.driver.attempt_run import attempt_run, record_plan
from pulumi_training.driver.drive import drive
from pulumi_training.driver.intend import intend
from pulumi_training.driver.start import start
from pulumi_training.record.lock import DriverLock
from pulumi_training.record.record import Record
from pulumi_training.spec.outcome import Reason, Status
from pulumi_training.targets import catalog
from pulumi_training.targets.contract.run import Prepared


def planned(job: Job, **changes: Any) -> Record:
    """A run whose plan is in the record, as `start` leaves it where all is prepared."""
    record = intend(job.request(**changes), job.tree, lambda line: None).record
    attempt = record.attempt(1)
    prepared = Prepared({"python": "python"}, digest="env")
    record_plan(attempt, FakeTarget().plan(attempt_run(record, attempt, job.base, {}), prepared), prepared)
    return record


def ahead_of(job: Job, record: Record) -> Ahead:
    found = Ahead.of(record, 1, job.base, {})
    assert found is not None
    return found


def follow(job: Job, record: Record, token: str) -> list[Any]:
    """The outcome that a driver behind the hold `token` comes to, once its thread has ended."""
    outcomes: list[Any] = []
    thread = threading.Thread(
        target=lambda: outcomes.append(drive(record, 1, job.base, {}, behind=token)), daemon=True
    )
    thread.start()
    thread.join(20)
    assert not thread.is_alive()
    return outcomes


def test_the_driver_behind_goes_on_from_the_submission(backend: Backend, job: Job) -> None:
    record = planned(job)
    ahead = ahead_of(job, record)
    assert drive(record, 1, job.base, {}) is None, "nobody else drives meanwhile"
    ahead.start(lambda: None)
    (outcome,) = follow(job, record, ahead.token)
    assert outcome.is_success
    assert backend.steps == ["enter", "submit", "observe", "leave", "collect"]
    assert len(backend.submitted) == 1


def test_what_waits_is_left_to_the_driver_behind(backend: Backend, job: Job) -> None:
    backend.place = [2]
    record = planned(job)
    ahead = ahead_of(job, record)
    ahead.start(lambda: None)
    (outcome,) = follow(job, record, ahead.token)
    assert outcome.is_success
    assert backend.steps[:3] == ["enter", "enter", "submit"]


def test_what_goes_wrong_is_told_by_the_driver_behind(
    backend: Backend, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: FakeTarget, plan: Any, run: Any) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(FakeTarget, "submit", refuse)
    record = planned(job)
    ahead = ahead_of(job, record)
    ahead.start(lambda: None)
    (outcome,) = follow(job, record, ahead.token)
    assert outcome.reason is Reason.LAUNCH_FAILED
    assert "the disk is gone" in outcome.message


@pytest.mark.parametrize("step", ["enter", "submit"])
def test_a_submitter_that_dies_is_continued(
    backend: Backend, job: Job, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drive_module, "_IN_FLIGHT_SECONDS", 0.01)
    backend.dies_after = step
    record = planned(job)
    ahead = ahead_of(job, record)
    token = ahead.token
    with pytest.raises(Died):
        ahead.submit()
    (outcome,) = follow(job, record, token)
    assert outcome.is_success
    assert len(backend.submitted) == 1, "one copy ran, whatever died"


def test_after_a_death_the_backend_has_time_to_finish_the_last_request(
    backend: Backend, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    naps: list[float] = []
    monkeypatch.setattr(drive_module, "_IN_FLIGHT_SECONDS", 0.123)
    monkeypatch.setattr(time, "sleep", naps.append)
    record = planned(job)
    lock = DriverLock(record, beat_seconds=0)
    assert lock.acquire()
    token = lock.token
    lock._drop_file()  # as the kernel does for a process that dies: the document stays
    assert drive(record, 1, job.base, {}, behind=token) is not None
    assert 0.123 in naps


def test_a_driver_behind_gives_way_to_a_stranger(backend: Backend, job: Job) -> None:
    record = planned(job)
    with DriverLock(record) as stranger:
        assert stranger.acquire()
        assert follow(job, record, "somebody else's") == [None]
    assert backend.submitted == []


def test_no_submission_ahead_of_a_plan_nor_of_a_tracker(backend: Backend, job: Job) -> None:
    record = intend(job.request(), job.tree, lambda line: None).record
    assert Ahead.of(record, 1, job.base, {}) is None
    assert DriverLock(record).holder() is None

    job.fields["compute"] = {**job.fields["compute"], "trackingUri": "http://localhost:1"}
    record = planned(job)
    ahead_of(job, record).submit()
    assert backend.submitted == [] and DriverLock(record).holder() is None


def test_no_submission_ahead_where_nobody_waits(backend: Backend, job: Job) -> None:
    record = planned(job, wait=False)
    assert Ahead.of(record, 1, job.base, {}) is None
    assert DriverLock(record).holder() is None


def test_turns_are_given_back(backend: Backend, job: Job) -> None:
    record = planned(job)
    ahead = ahead_of(job, record)
    assert ahead_module._turns._value == 1
    ahead.submit()
    assert ahead_module._turns._value == 2
    assert record.attempt(1).document().status is Status.RUNNING
    with DriverLock(record) as other:
        assert other.acquire()
        assert Ahead.of(record, 1, job.base, {}) is None
    assert ahead_module._turns._value == 2


def test_start_hands_the_supervisor_what_to_wait_for(
    backend: Backend, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders: list[str] = []
    released = threading.Event()

    def stand_by(record: Record, number: int, base: Any, secrets: Mapping[str, str], behind: str) -> Any:
        holder = DriverLock(record).holder()
        assert holder is not None and holder.token == behind
        orders.append(behind)
        return released.set

    monkeypatch.setattr(start_module, "stand_by", stand_by)
    monkeypatch.setattr(catalog, "get", lambda name, package="": AttendedTarget())
    monkeypatch.setattr(AttendedTarget, "submits_by_requests", True)
    record = planned(job)
    start(record, 1, job.base, {})
    (outcome,) = follow(job, record, orders[0])
    assert outcome.is_success and len(backend.submitted) == 1
    assert released.wait(10), "it may load now"


def test_without_a_supervisor_nothing_is_submitted(
    backend: Backend, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stand_by(*_: Any) -> None:
        raise OSError("no process can be started")

    monkeypatch.setattr(start_module, "stand_by", stand_by)
    monkeypatch.setattr(catalog, "get", lambda name, package="": AttendedTarget())
    monkeypatch.setattr(AttendedTarget, "submits_by_requests", True)
    record = planned(job)
    with pytest.raises(OSError):
        start(record, 1, job.base, {})
    assert backend.submitted == [] and DriverLock(record).holder() is None
    assert ahead_module._turns._value == 2
