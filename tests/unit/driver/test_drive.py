"""Driving a run: every step can be the last of a driver, and the next one goes on from there."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from driver_fakes import Backend, Died, FakeTarget, Job, failed, stopped, succeeded

from pulumi_training.driver import settle as settle_module
from pulumi_training.driver import watching
from pulumi_training.driver.attempt_run import attempt_run
from pulumi_training.driver.drive import drive
from pulumi_training.driver.intend import intend
from pulumi_training.driver.policy import Policy
from pulumi_training.driver.resume import resume_folder
from pulumi_training.driver.settle import collect_again, judge_again
from pulumi_training.driver.stop import cancel, remove
from pulumi_training.record.attempt import Attempt
from pulumi_training.record.lock import DriverLock
from pulumi_training.record.record import Record
from pulumi_training.record.store import StoreError
from pulumi_training.spec.errors import PermanentError, TransientError
from pulumi_training.spec.outcome import Outcome, Reason, Status
from pulumi_training.targets.contract.handle import Handle
from pulumi_training.targets.contract.observation import Observation
from pulumi_training.targets.contract.run import RunSpec


def begin(job: Job, **changes: Any) -> Record:
    return intend(job.request(**changes), job.tree, lambda line: None).record


def go(job: Job, record: Record, number: int = 1, **secrets: str) -> Outcome | None:
    return drive(record, number, job.base, secrets)


def until(what: Callable[[], Any], seconds: float = 20.0) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.002)
    raise AssertionError("it did not come in time")


def driving(job: Job, record: Record, number: int = 1) -> threading.Thread:
    thread = threading.Thread(target=go, args=(job, record, number), daemon=True)
    thread.start()
    return thread


def test_to_the_end_step_by_step(backend: Backend, job: Job) -> None:
    record = begin(job)
    outcome = go(job, record)
    assert outcome is not None and outcome.is_success
    document = record.attempt(1).document()
    assert document.status is Status.COMPLETED and document.ended_at is not None
    assert backend.steps == ["prepare", "enter", "submit", "observe", "leave", "collect"]
    kinds = [event.kind for event in record.attempt(1).events()]
    assert kinds == ["intent", "preparing", "submitted", "finalizing", "ended"]
    assert record.attempt(1).manifest() is not None
    assert not (record.attempt(1).folder / "code").exists(), "its archive is kept"
    assert go(job, record) is not None, "an ended run is answered from its record"
    assert len(backend.submitted) == 1


@pytest.mark.parametrize("step", ["prepare", "enter", "submit", "observe", "leave", "collect"])
def test_a_driver_that_dies_after_a_step_is_continued(backend: Backend, job: Job, step: str) -> None:
    backend.dies_after = step
    record = begin(job)
    with pytest.raises(Died):
        go(job, record)
    assert DriverLock(record).holder() is None
    assert record.attempt(1).document().is_live
    outcome = go(job, record)
    assert outcome is not None and outcome.is_success
    assert len(backend.submitted) == 1, "one copy ran, whatever died"
    assert record.attempts() == [1]


WRITES = ["submitted", "finalizing", "ended"]


@pytest.mark.parametrize("kind", WRITES)
def test_a_driver_that_dies_while_it_writes_is_continued(
    backend: Backend, job: Job, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    record = begin(job)
    original = Attempt.event

    def dying(self: Attempt, which: str, message: str = "", **data: Any) -> None:
        if which == kind:
            monkeypatch.setattr(Attempt, "event", original)
            raise Died(kind)
        original(self, which, message, **data)

    monkeypatch.setattr(Attempt, "event", dying)
    with pytest.raises(Died):
        go(job, record)
    outcome = go(job, record)
    assert outcome is not None and outcome.is_success
    assert len(backend.submitted) == 1


def test_submitted_and_not_written_down_is_found_before_the_queue(backend: Backend, job: Job) -> None:
    backend.dies_after = "submit"
    record = begin(job)
    with pytest.raises(Died):
        go(job, record)
    assert record.attempt(1).document().handle is None
    backend.place = [3] * 1000
    backend.steps.clear()
    assert go(job, record) is not None
    assert "enter" not in backend.steps and "prepare" not in backend.steps


def test_only_one_drives(backend: Backend, job: Job) -> None:
    record = begin(job)
    with DriverLock(record) as lock:
        assert lock.acquire()
        assert go(job, record) is None
    assert backend.steps == []


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            PermanentError(Reason.ENVIRONMENT_FAILED, "no such package", log_tail="words"),
            Reason.ENVIRONMENT_FAILED,
        ),
        (TransientError("not now"), Reason.TARGET_UNAVAILABLE),
        (OSError(12, "no memory"), Reason.LAUNCH_FAILED),
        (ZeroDivisionError("oops"), Reason.LAUNCH_FAILED),
    ],
)
def test_whatever_goes_wrong_before_submission_is_an_outcome(
    backend: Backend, job: Job, error: Exception, reason: Reason
) -> None:
    def fail(*_: object) -> None:
        raise error

    backend.prepare = fail
    record = begin(job)
    outcome = go(job, record)
    assert outcome is not None and outcome.reason is reason
    assert record.attempt(1).document().status is Status.FAILED
    assert backend.steps == ["leave"] and backend.submitted == []


def test_a_mistake_after_submission_never_leaves_a_run_behind(
    backend: Backend, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.script = lambda run: None
    record = begin(job)

    def broken(self: object, handle: object, now: float) -> None:
        raise ZeroDivisionError("a mistake")

    monkeypatch.setattr(watching.Watching, "_obey", broken)
    outcome = go(job, record)
    assert outcome is not None and outcome.reason is Reason.LAUNCH_FAILED
    assert backend.live[record.run_id, 1] is not None, "it was stopped before its end was written"


def test_a_full_disk_while_watching_ends_nothing(
    backend: Backend, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []

    def full(self: object, row: object, seen: object) -> None:
        looks.append(1)
        if len(looks) > 3:
            backend.live[record.run_id, 1] = succeeded()
        raise StoreError("the disk is full")

    backend.script = lambda run: None
    monkeypatch.setattr(watching.Watching, "_show", full)
    record = begin(job)
    outcome = go(job, record)
    assert outcome is not None and outcome.is_success and len(looks) > 3


def test_an_end_that_cannot_be_written_is_written_by_the_next_driver(
    backend: Backend, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = begin(job)
    original = Attempt.update

    def full(self: Attempt, **changes: Any) -> Any:
        if "outcome" in changes:
            raise StoreError("the disk is full")
        return original(self, **changes)

    with monkeypatch.context() as patch:
        patch.setattr(Attempt, "update", full)
        with pytest.raises(StoreError):
            go(job, record)
    assert record.attempt(1).document().status is Status.FINALIZING
    outcome = go(job, record)
    assert outcome is not None and outcome.is_success and len(backend.submitted) == 1


def test_a_target_that_does_not_answer_is_not_gone(backend: Backend, job: Job) -> None:
    answers = [TransientError("no"), TransientError("no"), None]

    class Silent(dict[Any, Any]):
        def __contains__(self, key: object) -> bool:
            if backend.submitted and answers and (error := answers.pop(0)):
                raise error
            return super().__contains__(key)

    backend.live = Silent()
    record = begin(job)
    outcome = go(job, record)
    assert outcome is not None and outcome.is_success


def test_vanished_is_lost_and_canceled_when_a_stop_was_asked_for(backend: Backend, job: Job) -> None:
    backend.script = lambda run: Observation(Status.FAILED)
    record = begin(job)
    outcome = go(job, record)
    assert outcome is not None and outcome.reason is Reason.SUPERVISOR_LOST

    def canceled(run: RunSpec) -> Observation:
        record.attempt(run.attempt).update(cancel_requested=True)
        return Observation(Status.FAILED)

    backend.script = canceled
    intend(job.request(), job.tree, lambda line: None, rerun=True)
    outcome = go(job, record, 2)
    assert outcome is not None and outcome.reason is Reason.CANCELED


# -- retries ---------------------------------------------------------------------------------------------------


def retrying(job: Job, on: list[str], attempts: int = 3) -> Record:
    return begin(job, retries={"maxAttempts": attempts, "on": on, "backoffSeconds": 0})


def test_retried_by_reason_and_resumed_from_the_last_outputs(backend: Backend, job: Job) -> None:
    backend.script = lambda run: failed() if run.attempt < 3 else succeeded()
    record = retrying(job, ["script_failed"])
    (job.base / "src" / "train.py").write_text("changed on disk meanwhile\n")
    outcome = go(job, record)
    assert outcome is not None and outcome.is_success
    assert record.attempts() == [1, 2, 3]
    assert [run.resume_from for run in backend.submitted] == [
        None,
        str(record.attempt(1).folder / "outputs"),
        str(record.attempt(2).folder / "outputs"),
    ]
    assert [record.attempt(n).document().notes.retry_of for n in (1, 2, 3)] == [None, 1, 2]
    assert record.run_document().newest_attempt == 3


def test_a_retry_has_the_source_of_its_run_and_not_of_the_attempt_before(backend: Backend, job: Job) -> None:
    seen = []

    def spoil(run: RunSpec) -> Observation:
        seen.append({path.name: path.read_text() for path in run.code.glob("*.py")})
        (run.code / "train.py").write_text("overwritten by the script\n")
        (run.code / "new.py").write_text("made by the script\n")
        return failed() if run.attempt == 1 else succeeded()

    backend.script = spoil
    record = retrying(job, ["script_failed"])
    (job.base / "src" / "train.py").write_text("changed on disk meanwhile\n")
    go(job, record)
    assert seen == [{"train.py": "print('hello')\n"}] * 2
    assert (record.attempt(2).folder / "source.json").read_bytes() == (
        record.attempt(1).folder / "source.json"
    ).read_bytes()


@pytest.mark.parametrize("on", [[], ["node_lost", "preempted"]])
def test_a_script_error_is_not_retried_unless_asked(backend: Backend, job: Job, on: list[str]) -> None:
    backend.script = lambda run: failed()
    record = retrying(job, on)
    outcome = go(job, record)
    assert outcome is not None and outcome.reason is Reason.SCRIPT_FAILED and outcome.exit_code == 3
    assert record.attempts() == [1]


def test_no_more_tries_than_asked_for(backend: Backend, job: Job) -> None:
    backend.script = lambda run: failed()
    record = retrying(job, ["script_failed"], attempts=2)
    go(job, record)
    assert record.attempts() == [1, 2]
    request = job.request(retries={"maxAttempts": 2, "on": ["script_failed"], "backoffSeconds": 0})
    intend(request, job.tree, lambda line: None, rerun=True)
    go(job, record, 3)
    assert record.attempts() == [1, 2, 3, 4], "a new series counts from one"


def test_a_driver_that_dies_before_the_retry_is_continued(
    backend: Backend, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.script = lambda run: failed() if run.attempt == 1 else succeeded()
    record = retrying(job, ["script_failed"])
    original = Record.start_attempt

    for when in ("before", "after"):

        def dying(self: Record, document: Any, when: str = when) -> Any:
            if when == "after":
                original(self, document)
            raise Died(when)

        with monkeypatch.context() as patch:
            patch.setattr(Record, "start_attempt", dying)
            with pytest.raises(Died):
                go(job, record)
    outcome = go(job, record, 2)
    assert outcome is not None and outcome.is_success
    assert [run.attempt for run in backend.submitted] == [1, 2]


def test_a_retry_without_its_secrets_waits_for_the_next_up(backend: Backend, job: Job) -> None:
    record = begin(job, secretEnvironmentVariables={"TOKEN": "very secret"})
    assert go(job, record) is None
    assert record.attempt(1).document().is_live and backend.submitted == []
    outcome = go(job, record, TOKEN="very secret")
    assert outcome is not None and outcome.is_success


# -- limits and stops ------------------------------------------------------------------------------------------


def test_queue_place_is_shown_and_its_time_is_limited(backend: Backend, job: Job) -> None:
    backend.place = [2, 1, 1]
    record = begin(job)
    assert go(job, record) is not None
    places = [event.message for event in record.attempt(1).events() if event.kind == "queued"]
    assert places == ["place 2 in the queue", "place 1 in the queue"]
    assert record.attempt(1).document().queue_position is None

    backend.place = [1] * 100_000
    record = begin(job, key="v1:other", queueTimeoutSeconds=0.05)
    outcome = go(job, record)
    assert outcome is not None and outcome.reason is Reason.QUEUE_TIMEOUT
    assert backend.steps[-1] == "leave"


def test_waiting_counts_on_under_another_driver(backend: Backend, job: Job) -> None:
    record = begin(job, queueTimeoutSeconds=1000)
    backend.place, backend.dies_after = [1] * 100_000, "enter"
    with pytest.raises(Died):
        go(job, record)
    record.attempt(1).update(status=Status.QUEUED, queued_at=time.time() - 2000)
    outcome = go(job, record)
    assert outcome is not None and outcome.reason is Reason.QUEUE_TIMEOUT


@pytest.mark.parametrize(
    ("why", "reason"),
    [("run_timeout", Reason.RUN_TIMEOUT), ("stalled", Reason.STALLED), ("cancel", Reason.CANCELED)],
)
def test_what_the_agent_stopped(backend: Backend, job: Job, why: str, reason: Reason) -> None:
    backend.script = lambda run: stopped(why)
    outcome = go(job, begin(job))
    assert outcome is not None and outcome.reason is reason


def test_canceled_before_anybody_drives(backend: Backend, job: Job) -> None:
    record = begin(job)
    document = cancel(record)
    assert document is not None and document.status is Status.CANCELED
    assert backend.submitted == [] and "prepare" not in backend.steps
    assert go(job, record) is not None and backend.submitted == []


def test_canceled_while_it_is_prepared(backend: Backend, job: Job) -> None:
    reached = threading.Event()

    def slow(run: RunSpec, tell: Callable[[str], None]) -> None:
        reached.set()
        for number in range(5000):
            tell(f"line {number}")
            time.sleep(0.005)

    backend.prepare = slow
    record = begin(job)
    thread = driving(job, record)
    assert reached.wait(20)
    document = cancel(record)
    thread.join(20)
    assert document is not None and document.status is Status.CANCELED and backend.submitted == []


def test_canceled_in_the_queue(backend: Backend, job: Job) -> None:
    backend.place = [1] * 1_000_000
    record = begin(job)
    thread = driving(job, record)
    until(lambda: record.attempt(1).document().status is Status.QUEUED)
    document = cancel(record)
    thread.join(20)
    assert document is not None and document.status is Status.CANCELED
    assert backend.submitted == [] and "leave" in backend.steps


def test_the_grace_that_was_asked_for_outlives_who_asked(backend: Backend, job: Job) -> None:
    backend.script = lambda run: None
    record = begin(job)
    thread = driving(job, record)
    attempt = record.attempt(1)
    until(lambda: attempt.document().status is Status.RUNNING)
    attempt.update(cancel_requested=True, notes=attempt.document().notes.changed(cancel_grace=7.0))
    thread.join(20)
    assert attempt.document().status is Status.CANCELED
    assert set(backend.cancels) == {7.0}


def test_canceled_while_it_runs(backend: Backend, job: Job) -> None:
    backend.script = lambda run: None
    record = begin(job)
    thread = driving(job, record)
    until(lambda: record.attempt(1).document().status is Status.RUNNING)
    document = cancel(record, grace=3)
    thread.join(20)
    assert document is not None and document.status is Status.CANCELED
    assert set(backend.cancels) == {3}, "whoever is first, it has the grace that was asked for"
    assert cancel(record) == record.attempt(1).document(), "an ended run is left as it is"


def test_canceled_while_it_runs_and_nobody_drives(backend: Backend, job: Job) -> None:
    backend.script, backend.dies_after = (lambda run: None), "observe"
    record = begin(job)
    with pytest.raises(Died):
        go(job, record)
    document = cancel(record)
    assert document is not None and document.status is Status.CANCELED


def test_canceled_between_two_tries(backend: Backend, job: Job) -> None:
    backend.script = lambda run: failed()
    record = begin(job, retries={"maxAttempts": 3, "on": ["script_failed"], "backoffSeconds": 30})
    thread = driving(job, record)
    until(lambda: record.attempts() == [1, 2])
    document = cancel(record)
    thread.join(20)
    assert document is not None and (document.attempt, document.status) == (2, Status.CANCELED)
    assert [run.attempt for run in backend.submitted] == [1]


def test_canceled_when_a_retry_is_due_and_nobody_drives(
    backend: Backend, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.script = lambda run: failed()
    record = retrying(job, ["script_failed"])

    def dying(self: Record, document: Any) -> Any:
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(Record, "start_attempt", dying)
        with pytest.raises(Died):
            go(job, record)
    assert record.attempt(1).document().notes.will_retry
    cancel(record)
    assert not record.attempt(1).document().notes.will_retry
    assert record.attempts() == [1] and len(backend.submitted) == 1


def test_a_stop_asked_for_by_somebody_who_died_is_carried_out(backend: Backend, job: Job) -> None:
    backend.script = lambda run: None
    record = begin(job)
    thread = driving(job, record)
    until(lambda: record.attempt(1).document().status is Status.RUNNING)
    record.attempt(1).update(cancel_requested=True)
    thread.join(20)
    assert record.attempt(1).document().status is Status.CANCELED


def test_remove_stops_and_leaves_later_attempts_alone(backend: Backend, job: Job) -> None:
    record = begin(job)
    go(job, record)
    intend(job.request(), job.tree, lambda line: None, rerun=True)
    backend.script = lambda run: None
    thread = driving(job, record, 2)
    until(lambda: (record.run_id, 2) in backend.live)
    remove(record, up_to=1)
    assert (record.run_id, 1) not in backend.live and backend.live[record.run_id, 2] is None
    remove(record)
    thread.join(20)
    assert backend.live == {}
    assert record.exists()
    remove(record, purge=True)
    assert not record.exists()
    remove(record)


# -- the end -----------------------------------------------------------------------------------------------------


def test_a_collection_that_fails_is_tried_again_and_then_the_outcome(backend: Backend, job: Job) -> None:
    tries: list[int] = []

    def fail(run: RunSpec) -> None:
        tries.append(1)
        raise TransientError("the bucket is away")

    backend.collect = fail
    record = begin(job)
    outcome = go(job, record)
    assert outcome is not None and outcome.reason is Reason.COLLECT_FAILED and len(tries) == 4
    attempt = record.attempt(1)
    assert (attempt.folder / "code").exists(), "what is left to deliver is in it"
    backend.collect = lambda run: None
    run = attempt_run(record, attempt, job.base, {})
    policy = Policy.of(record.run_document().job)
    from driver_fakes import FakeTarget

    assert collect_again(record, attempt, FakeTarget(), run, policy).is_success
    assert attempt.document().status is Status.COMPLETED and len(backend.submitted) == 1


def test_a_failed_run_stays_failed_for_its_own_reason(backend: Backend, job: Job) -> None:
    def fail(run: RunSpec) -> None:
        raise PermanentError(Reason.COLLECT_FAILED, "refused")

    backend.collect, backend.script = fail, lambda run: failed()
    outcome = go(job, begin(job))
    assert outcome is not None and outcome.reason is Reason.SCRIPT_FAILED
    assert outcome.details["collect_error"] == "refused"


def test_judged_and_judged_again(backend: Backend, job: Job) -> None:
    def train(run: RunSpec) -> Observation:
        (run.folder / "metrics" / "rank-0.jsonl").write_text('{"step": 1, "accuracy": 0.91}\n')
        return succeeded()

    backend.script = train
    record = begin(job, expect={"accuracy": ">=0.93"})
    outcome = go(job, record)
    assert outcome is not None and outcome.reason is Reason.EXPECTATION_FAILED
    assert "0.93" in outcome.message and "0.91" in outcome.message
    attempt = record.attempt(1)
    record.update_run(spec=job.request(expect={"accuracy": ">=0.9"}).document())
    assert judge_again(attempt, Policy.of(record.run_document().job)).is_success
    assert attempt.document().status is Status.COMPLETED and len(backend.submitted) == 1


def test_a_clock_that_is_set_back_costs_nothing_negative(
    backend: Backend, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute = {**job.fields["compute"], "pricePerNodeHour": 3.6}
    record = begin(
        job, compute=compute, retries={"maxAttempts": 2, "on": ["script_failed"], "backoffSeconds": 0.01}
    )

    def back(run: RunSpec) -> Observation:
        earlier = time.time() - 86400 * run.attempt
        monkeypatch.setattr(settle_module.time, "time", lambda: earlier)
        return failed() if run.attempt == 1 else succeeded()

    real = time.time
    backend.script = back
    try:
        outcome = go(job, record)
    finally:
        monkeypatch.setattr(settle_module.time, "time", real)
    assert outcome is not None and outcome.is_success
    for number in (1, 2):
        cost = record.attempt(number).document().cost
        assert cost is not None and cost["seconds"] >= 0 and cost["amount"] >= 0


# -- resuming ----------------------------------------------------------------------------------------------------


def test_resumes_from_what_the_job_names(backend: Backend, job: Job) -> None:
    record = begin(job)
    go(job, record)
    attempt = record.attempt(1)
    assert resume_folder(record, attempt, None, job.base) is None
    assert resume_folder(record, attempt, record.run_id, job.base) == str(attempt.folder / "outputs")
    (job.base / "earlier").mkdir()
    assert resume_folder(record, attempt, "./earlier", job.base) == str(job.base / "earlier")
    for missing in ("no-such-run", "./no-such-folder"):
        with pytest.raises(PermanentError) as caught:
            resume_folder(record, attempt, missing, job.base)
        assert caught.value.reason is Reason.DATA_UNAVAILABLE


def test_a_retry_resumes_from_the_newest_outputs_of_its_series(
    backend: Backend, job: Job, tmp_path: Path
) -> None:
    backend.script = lambda run: failed()
    record = retrying(job, ["script_failed"])
    go(job, record)
    for path in (record.attempt(2).folder / "outputs").iterdir():
        path.unlink()
    third = record.attempt(3)
    assert resume_folder(record, third, "./ignored", tmp_path) == str(record.attempt(1).folder / "outputs")


def test_a_rerun_resumes_where_the_script_was_not_at_fault(backend: Backend, job: Job) -> None:
    for reason, resumes in ((Reason.NODE_LOST, 1), (Reason.SCRIPT_FAILED, None)):
        request = job.request(key=f"v1:{reason.value}")
        first = intend(request, job.tree, print).attempt
        (first.folder / "outputs" / "checkpoint").write_text("epoch 3")
        first.update(outcome=Outcome(reason, "gone"), ended_at=1.0, acknowledged=True)
        second = intend(request, job.tree, print, rerun=True).attempt
        assert second.document().notes.resumes == resumes
        expected = str(first.folder / "outputs") if resumes else None
        assert resume_folder(request.record(), second, None, job.base) == expected


def test_bounds_changed_while_it_runs_are_those_it_is_judged_by(backend: Backend, job: Job) -> None:
    record = begin(job, expect={"accuracy": ">=0.99"})

    def train(run: RunSpec) -> Observation:
        (run.folder / "metrics" / "rank-0.jsonl").write_text('{"step": 1, "accuracy": 0.91}\n')
        record.update_run(spec=job.request(expect={"accuracy": ">=0.9"}).document())
        return succeeded()

    backend.script = train
    outcome = go(job, record)
    assert outcome is not None and outcome.is_success


def test_limits_changed_in_the_queue_are_those_it_is_submitted_with(backend: Backend, job: Job) -> None:
    record = begin(job, maxRunDurationSeconds=10)
    backend.place = [1] * 50
    thread = driving(job, record)
    until(lambda: record.attempt(1).document().status is Status.QUEUED)
    record.update_run(spec=job.request(maxRunDurationSeconds=20).document())
    thread.join(20)
    assert backend.submitted[0].document["maxRunDurationSeconds"] == 20


def test_a_target_that_is_started_again_is_waited_for(backend: Backend, job: Job) -> None:
    backend.troubles = [TransientError("the daemon is away"), TransientError("still")]
    record = begin(job)
    outcome = go(job, record)
    assert outcome is not None and outcome.is_success
    assert len(backend.submitted) == 1 and backend.removed == []


def test_what_may_run_already_is_not_left_alone_because_the_target_is_silent(
    backend: Backend, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.dies_after = "submit"
    record = begin(job)
    with pytest.raises(Died):
        go(job, record)
    silent = ["no answer"] * 2
    observe = FakeTarget.observed

    def observed(self: FakeTarget, handle: Any) -> Observation:
        if silent:
            return Observation.unanswered(silent.pop())
        return observe(self, handle)

    monkeypatch.setattr(FakeTarget, "observed", observed)
    outcome = go(job, record)
    assert outcome is not None and outcome.is_success and not silent
    assert len(backend.submitted) == 1


def test_what_was_not_submitted_whole_is_taken_away(backend: Backend, job: Job) -> None:
    backend.troubles = [PermanentError(Reason.NODE_LOST, "it ended before it was used")]
    record = begin(job)
    outcome = go(job, record)
    assert outcome is not None and outcome.reason is Reason.NODE_LOST
    assert backend.removed == [(record.run_id, 1)]


def test_a_stop_in_the_middle_of_a_submission_is_no_lost_node(backend: Backend, job: Job) -> None:
    record = begin(job)

    def stopped_meanwhile() -> Exception:
        record.attempt(1).update(cancel_requested=True)
        return PermanentError(Reason.NODE_LOST, "it ended before it was used")

    backend.troubles = [stopped_meanwhile]
    outcome = go(job, record)
    assert outcome is not None and outcome.reason is Reason.CANCELED
    assert backend.removed == [(record.run_id, 1)]


def test_what_comes_late_from_a_target_is_there_when_the_run_is_settled(backend: Backend, job: Job) -> None:
    """A target that mirrors late: the end is seen before the logs have come."""
    looks: list[int] = []

    def mirror(folder: Path) -> bool:
        looks.append(len(backend.live))
        if len(looks) < 4:
            return False
        log = folder / "logs" / "std" / "rank-0.log"
        if not log.exists():
            log.write_text("late words\n")
            (key,) = backend.live
            seen = failed()
            backend.live[key] = replace(seen, ranks=(replace(seen.ranks[0], log_tail="late words"),))
        return True

    def collect(run: RunSpec) -> None:
        assert (run.folder / "logs" / "std" / "rank-0.log").read_text() == "late words\n"
        backend.step("saw the log")

    backend.script, backend.mirror, backend.collect = lambda run: failed(), mirror, collect
    outcome = go(job, begin(job))
    assert outcome is not None and outcome.log_tail == "late words"
    assert "saw the log" in backend.steps and len(looks) >= 4


def test_an_end_is_told_though_its_logs_never_come(
    backend: Backend, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pulumi_training.driver.watching._LAST_WORDS_SECONDS", 0.05)
    backend.mirror = lambda folder: False
    outcome = go(job, begin(job))
    assert outcome is not None and outcome.is_success


def test_logs_that_cannot_be_brought_keep_no_state_away(
    backend: Backend, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mirror(folder: Path) -> bool:
        raise TransientError("the log service is away")

    monkeypatch.setattr("pulumi_training.driver.watching._LAST_WORDS_SECONDS", 0.05)
    backend.mirror = mirror
    backend.script = lambda run: None
    record = begin(job)
    thread = driving(job, record)
    until(lambda: record.attempt(1).document().status is Status.RUNNING)
    (key,) = backend.live
    backend.live[key] = succeeded()
    thread.join(60)
    outcome = record.attempt(1).document().outcome
    assert outcome is not None and outcome.is_success


def test_a_machine_does_not_take_for_its_own_what_another_one_began(backend: Backend, job: Job) -> None:
    backend.dies_after = "submit"
    record = begin(job)
    with pytest.raises(Died):
        go(job, record)
    there = {"pid": 1, "host": "elsewhere", "boot_id": "b", "started_at": 1.0}
    record.attempt(1).update(supervisor=there)
    asked: list[str] = []
    observed = FakeTarget.observed

    def look(self: FakeTarget, handle: Handle) -> Observation:
        asked.append(handle.driven_on)
        return observed(self, handle)

    with pytest.MonkeyPatch.context() as watched:
        watched.setattr(FakeTarget, "observed", look)
        outcome = go(job, record)
    assert outcome is not None and outcome.is_success and len(backend.submitted) == 1
    assert set(asked) == {"elsewhere"}
    supervisor = record.attempt(1).document().supervisor
    assert supervisor is not None and supervisor["host"] == "elsewhere"
