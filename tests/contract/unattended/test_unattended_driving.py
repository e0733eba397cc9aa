"""Runs that a service owns, driven by the process that waits: as good as with a supervisor."""

from __future__ import annotations

import time
from typing import Any

import pytest
from unattended.jobs import Jobs, until
from unattended.service import Service

from pulumi_training.driver.start import let_go, start
from pulumi_training.driver.stop import cancel
from pulumi_training.record.documents import AttemptDocument
from pulumi_training.record.lock import DriverLock
from pulumi_training.record.record import Record
from pulumi_training.spec.outcome import Reason, Status

pytestmark = pytest.mark.timeout(120)

SLEEP = "import time\nprint('ready', flush=True)\ntime.sleep(300)\n"
METRIC = (
    "import json\n"
    "out = open(os.environ['TRAINING_METRICS'], 'a')\n"
    "for step in range(9):\n"
    "    print(json.dumps({'step': step, 'total': 9, 'accuracy': 0.1 * (step + 1)}), file=out, flush=True)\n"
    "open('outputs/model.txt', 'w').write('weights')\n"
)


def go(jobs: Jobs, record: Record, number: int = 1, **secrets: str) -> None:
    start(record, number, jobs.base, secrets)


def ended(record: Record, seconds: float = 60.0) -> AttemptDocument:
    """The document of the last attempt, at its end."""

    def look() -> AttemptDocument | None:
        newest = record.newest()
        document = newest.document() if newest else None
        is_over = document is not None and document.is_over
        return document if is_over else None

    found: AttemptDocument = until(look, "the end", seconds)
    return found


def seen(record: Record, what: str, number: int = 1) -> None:
    until(lambda: what in (record.attempt(number).document().progress or ""), f"{what!r} in the row")


def kinds(record: Record, number: int = 1) -> list[str]:
    return [event.kind for event in record.attempt(number).events()]


def reason(document: AttemptDocument) -> Reason:
    assert document.outcome is not None
    return document.outcome.reason


def test_to_the_end_with_its_row_logs_metrics_and_outputs(service: Service, jobs: Jobs) -> None:
    record = jobs.intend(jobs.gated(before=METRIC), expect={"accuracy": ">=0.8"})
    go(jobs, record)
    seen(record, "/9")
    live = record.attempt(1)
    assert live.document().status is Status.RUNNING and live.document().metrics
    log = live.folder / "logs" / "std" / "rank-0.log"
    until(lambda: log.exists() and b"ready" in log.read_bytes(), "its log, while it lives")
    jobs.open_gate()
    document = ended(record)
    assert document.status is Status.COMPLETED and document.metrics == {"accuracy": pytest.approx(0.9)}
    assert kinds(record) == ["intent", "submitted", "running", "finalizing", "ended"]
    assert (live.folder / "outputs" / "model.txt").read_text() == "weights"
    assert live.manifest() is not None
    until(lambda: DriverLock(record).holder() is None, "the lock's release")


def test_a_failed_script_and_an_unmet_bound_are_told(service: Service, jobs: Jobs) -> None:
    failed = jobs.intend("print('last words', flush=True)\nraise ValueError('no')\n")
    unmet = jobs.intend("import os\n" + METRIC, "unmet", expect={"accuracy": ">=0.95"})
    go(jobs, failed)
    go(jobs, unmet)
    outcome = ended(failed).outcome
    assert outcome is not None and outcome.reason is Reason.SCRIPT_FAILED
    assert outcome.exception == "ValueError: no" and "last words" in outcome.log_tail
    assert reason(ended(unmet)) is Reason.EXPECTATION_FAILED


def test_what_waits_for_nodes_says_so_and_has_a_limit(service: Service, jobs: Jobs) -> None:
    service.rule(slots=0)
    record = jobs.intend(SLEEP, queueTimeoutSeconds=3)
    go(jobs, record)
    until(lambda: record.attempt(1).document().status is Status.QUEUED, "the queue")
    seen(record, "queued")
    document = ended(record)
    assert reason(document) is Reason.QUEUE_TIMEOUT and document.started_at is None
    assert document.cost is None


def test_retries_follow_the_policy_with_its_pauses(service: Service, jobs: Jobs) -> None:
    record = jobs.intend(
        "import os, time\nassert os.environ['TOKEN'] == 'a-token-of-mine'\n"
        "if os.environ['TRAINING_ATTEMPT'] == '1':\n    " + SLEEP.replace("\n", "\n    ") + "\n",
        retries={"maxAttempts": 2, "on": ["preempted"], "backoffSeconds": 2},
        secretEnvironmentVariables={"TOKEN": "a-token-of-mine"},
    )
    go(jobs, record, TOKEN="a-token-of-mine")
    seen(record, "ready")
    service.ask("preempt", name=service.name(record.run_id, 1, record.attempt(1).document().store_identity))
    assert reason(ended(record)) is Reason.COMPLETED
    first, second = (record.attempt(number).document() for number in (1, 2))
    assert reason(first) is Reason.PREEMPTED and second.notes.retry_of == 1
    assert second.queued_at is not None and second.queued_at - second.created_at > 1.5, "the policy's pause"


def test_a_lost_machine_is_no_success(service: Service, jobs: Jobs) -> None:
    record = jobs.intend(SLEEP)
    go(jobs, record)
    seen(record, "ready")
    service.ask("lose", name=service.name(record.run_id, 1, record.attempt(1).document().store_identity))
    document = ended(record)
    assert document.status is Status.FAILED and reason(document).rule.is_retryable
    assert b"ready" in (record.attempt(1).folder / "logs" / "std" / "rank-0.log").read_bytes()


def test_a_limit_is_kept_by_the_service_and_amended_while_it_runs(service: Service, jobs: Jobs) -> None:
    record = jobs.intend(SLEEP, maxRunDurationSeconds=600)
    go(jobs, record)
    seen(record, "ready")
    spec = record.run_document().spec
    record.update_run(
        spec={**spec, "maxRunDurationSeconds": 1}
    )  # as an `up` of another machine that got no further
    assert reason(ended(record)) is Reason.RUN_TIMEOUT


def test_a_limit_that_the_service_does_not_keep_is_kept_here(
    service: Service, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pulumi_training.driver.unattended.monitor._SLACK_SECONDS", 0.0)
    service.rule(keeps_limits=False)
    record = jobs.intend(SLEEP, maxRunDurationSeconds=1)
    go(jobs, record)
    assert reason(ended(record)) is Reason.RUN_TIMEOUT


def test_a_stop_that_another_process_asks_for_is_carried_out(service: Service, jobs: Jobs) -> None:
    record, waiting = jobs.intend(SLEEP), jobs.intend(SLEEP, "waiting")
    for each in (record, waiting):
        go(jobs, each)
        seen(each, "ready")
    record.attempt(1).update(cancel_requested=True)  # and whoever asked died at once
    assert reason(ended(record)) is Reason.CANCELED
    found = cancel(waiting)
    assert found is not None and reason(found) is Reason.CANCELED
    assert not service.processes(record.run_id, 1) and not service.processes(waiting.run_id, 1)


def test_a_stop_during_the_pause_before_a_retry_ends_the_run(service: Service, jobs: Jobs) -> None:
    record = jobs.intend(
        "raise SystemExit(3)\n", retries={"maxAttempts": 3, "on": ["script_failed"], "backoffSeconds": 60}
    )
    go(jobs, record)
    until(lambda: record.attempt(2).exists(), "the intent of the retry")
    record.attempt(2).update(cancel_requested=True)
    assert reason(ended(record)) is Reason.CANCELED
    assert [each["attempt"] for each in service.attempts()] == [1]


def test_a_service_that_does_not_answer_is_waited_for(service: Service, jobs: Jobs) -> None:
    record = jobs.intend(jobs.gated())
    go(jobs, record)
    seen(record, "ready")
    service.rule(is_silent=True)
    until(lambda: record.attempt(1).document().status is Status.NOT_RESPONDING, "the silence")
    assert "does not answer" in (record.attempt(1).document().progress or "")
    service.rule(is_silent=False)
    jobs.open_gate()
    assert reason(ended(record)) is Reason.COMPLETED
    assert len(service.attempts()) == 1, "no twin"


def test_a_service_that_starts_again_goes_on(service: Service, jobs: Jobs) -> None:
    record = jobs.intend(jobs.gated())
    go(jobs, record)
    seen(record, "ready")
    service.stop()
    until(lambda: record.attempt(1).document().status is Status.NOT_RESPONDING, "its absence")
    service.start()
    jobs.open_gate()
    assert reason(ended(record)) is Reason.COMPLETED


def test_logs_that_come_late_are_all_there_at_the_end(service: Service, jobs: Jobs) -> None:
    service.rule(holds_logs_back=30.0)
    record = jobs.intend("for n in range(20000):\n    print('line', n)\n")
    go(jobs, record)
    assert reason(ended(record)) is Reason.COMPLETED
    log = (record.attempt(1).folder / "logs" / "std" / "rank-0.log").read_text().splitlines()
    assert len(log) == 20000 and log[-1] == "line 19999"


def test_all_of_a_workspace_are_asked_for_in_one_question(service: Service, jobs: Jobs) -> None:
    service.rule(only_pretends=True)
    records = [
        jobs.intend(
            "pass", f"fit-{n}", environmentVariables={"PRETENDED": "yes"}, compute=_cluster(service, jobs, n)
        )
        for n in range(4)
    ]
    for record in records:
        go(jobs, record)
    until(lambda: all(r.attempt(1).document().status is Status.RUNNING for r in records), "all run")
    before = len(service.observations())
    until(lambda: len(service.observations()) >= before + 3, "three questions more")
    assert set(service.observations()[before:]) == {4}, "whatever cluster of the workspace they are in"


def _cluster(service: Service, jobs: Jobs, number: int) -> dict[str, Any]:
    return service.compute(str(jobs.store), cluster=f"cpu-{number % 2}", slotsPerNode=2 + number % 2)


def test_letting_go_leaves_it_running_and_another_driver_goes_on(service: Service, jobs: Jobs) -> None:
    record = jobs.intend(jobs.gated())
    go(jobs, record)
    seen(record, "ready")
    let_go(5.0)
    assert DriverLock(record).holder() is None
    document = record.attempt(1).document()
    assert document.is_live and document.handle is not None
    time.sleep(0.2)
    assert service.processes(record.run_id, 1), "it runs"
    go(jobs, record)
    jobs.open_gate()
    assert reason(ended(record)) is Reason.COMPLETED
    assert len(service.attempts()) == 1
    assert kinds(record).count("submitted") == kinds(record).count("running") == 1
