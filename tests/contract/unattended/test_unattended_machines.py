"""A run that a service owns, from another machine: only the record's store is shared, and nothing is lost or doubled."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from unattended import machine
from unattended.jobs import Jobs, until
from unattended.names import CREDENTIAL
from unattended.service import Service

from pulumi_training.driver.attach import observed, take_up
from pulumi_training.driver.start import let_go, start
from pulumi_training.driver.stop import cancel
from pulumi_training.record.documents import AttemptDocument, encode
from pulumi_training.record.holder import Holder
from pulumi_training.record.lock import DriverLock
from pulumi_training.record.record import Record
from pulumi_training.spec.errors import TransientError
from pulumi_training.spec.outcome import Reason, Status

pytestmark = pytest.mark.timeout(120)

SLEEP = "import time\nprint('ready', flush=True)\ntime.sleep(300)\n"
LEAVES = "open('outputs/model.txt', 'w').write('weights')\n"
FAILS_ONCE = "import os\nif os.environ['TRAINING_ATTEMPT'] == '1':\n    raise SystemExit(3)\nprint('second', flush=True)\n"
RETRIED = {"maxAttempts": 2, "on": ["script_failed"]}

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Start]:
    """Starts processes of another machine, and ends them."""
    started: list[subprocess.Popen[str]] = []

    def start_one(*words: str, name: str = "other", **options: Any) -> subprocess.Popen[str]:
        started.append(machine.start(tmp_path / name, *words, **options))
        return started[-1]

    yield start_one
    for process in started:
        process.kill()
        process.communicate()


def driving(other: Start, jobs: Jobs, record: Record, **options: Any) -> subprocess.Popen[str]:
    """Another machine that drives the run."""
    process = other("drive", str(jobs.store), record.run_id, "1", **options)
    assert process.stdout is not None and process.stdout.readline() == "driving\n", process.communicate()
    return process


def answer(process: subprocess.Popen[str]) -> str:
    out, problems = process.communicate(timeout=60)
    assert process.returncode == 0, out + problems
    return out


def cli(other: Start, jobs: Jobs, *words: str, **options: Any) -> subprocess.Popen[str]:
    return other("cli", *words, "--store", str(jobs.store), **options)


def seen(record: Record, what: str) -> None:
    until(lambda: what in (record.attempt(1).document().progress or ""), f"{what!r} in the row")


def ended(record: Record) -> AttemptDocument:
    def look() -> AttemptDocument | None:
        newest = record.newest()
        document = newest.document() if newest else None
        is_over = document is not None and document.is_over
        return document if is_over else None

    found: AttemptDocument = until(look, "the end")
    return found


def reason(document: AttemptDocument) -> Reason:
    assert document.outcome is not None
    return document.outcome.reason


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_what_ended_unseen_is_settled_by_whoever_asks_next(
    service: Service, jobs: Jobs, other: Start, end: signal.Signals
) -> None:
    record = jobs.intend(jobs.gated(after=LEAVES))
    process = driving(other, jobs, record)
    seen(record, "ready")
    process.send_signal(end)
    process.communicate()
    jobs.open_gate()
    until(lambda: service.attempts()[0]["state"] == "Ended", "the end at the service")
    assert record.attempt(1).document().is_live, "nobody has seen it"
    document = observed(record, record.attempt(1), jobs.base)
    assert reason(document) is Reason.COMPLETED
    assert (record.attempt(1).folder / "outputs" / "model.txt").read_text() == "weights"
    assert [event.kind for event in record.attempt(1).events()].count("submitted") == 1
    assert len(service.attempts()) == 1


def test_a_live_run_is_shown_live_and_left_running(service: Service, jobs: Jobs, other: Start) -> None:
    record = jobs.intend(SLEEP)
    process = driving(other, jobs, record)
    seen(record, "ready")
    process.kill()
    process.communicate()
    began = time.monotonic()
    assert observed(record, record.attempt(1), jobs.base).status is Status.RUNNING
    assert time.monotonic() - began < 4, "one question tells"
    assert "Running" in answer(cli(other, jobs, "runs", "show", record.run_id, name="third"))
    assert service.processes(record.run_id, 1)


def test_logs_follow_a_run_to_its_end_and_settle_it(service: Service, jobs: Jobs, other: Start) -> None:
    record = jobs.intend(
        jobs.gated(
            before="print('line', 0, flush=True)\n",
            after="for n in range(1, 8):\n    print('line', n, flush=True)\n",
        )
    )
    process = driving(other, jobs, record)
    seen(record, "ready")
    process.kill()
    process.communicate()
    threading.Timer(5.0, jobs.open_gate).start()
    out = answer(cli(other, jobs, "logs", "-f", record.run_id, name="third"))
    assert [f"line {n}" in out for n in range(8)] == [True] * 8
    assert reason(record.attempt(1).document()) is Reason.COMPLETED


def test_a_stop_from_another_machine_is_seen_done(service: Service, jobs: Jobs, other: Start) -> None:
    record = jobs.intend(SLEEP)
    process = driving(other, jobs, record)
    seen(record, "ready")
    answer(cli(other, jobs, "cancel", record.run_id, name="third"))
    assert not service.processes(record.run_id, 1)
    assert json.loads(answer(process).splitlines()[-1])["outcome"]["reason"] == "Canceled"
    gone = jobs.intend(SLEEP, "gone")
    process = driving(other, jobs, gone)
    seen(gone, "ready")
    process.kill()
    process.communicate()
    answer(cli(other, jobs, "cancel", gone.run_id, name="third"))
    assert reason(gone.attempt(1).document()) is Reason.CANCELED and not service.processes(gone.run_id, 1)


def test_a_retry_that_is_due_is_begun_by_whoever_comes(service: Service, jobs: Jobs, other: Start) -> None:
    record = jobs.intend(FAILS_ONCE, retries={**RETRIED, "backoffSeconds": 20})
    process = driving(other, jobs, record)
    until(lambda: record.attempt(2).exists(), "the intent of the retry")
    process.kill()
    process.communicate()
    take_up(record, jobs.base)
    document = ended(record)
    assert (document.attempt, reason(document)) == (2, Reason.COMPLETED)
    assert document.queued_at is not None and document.queued_at - document.created_at > 19, "in its time"
    assert sorted(each["attempt"] for each in service.attempts()) == [1, 2]


def test_a_retry_waits_for_its_secrets_and_says_so(service: Service, jobs: Jobs, other: Start) -> None:
    secrets = {"TOKEN": "a-token-of-mine"}
    record = jobs.intend(
        FAILS_ONCE + "assert os.environ['TOKEN'] == 'a-token-of-mine'\n",
        retries={**RETRIED, "backoffSeconds": 15},
        secretEnvironmentVariables=secrets,
    )
    process = driving(other, jobs, record, text=json.dumps(secrets))
    until(lambda: record.attempt(2).exists(), "the intent of the retry")
    process.kill()
    process.communicate()
    answer(cli(other, jobs, "runs", "show", record.run_id, name="third"))
    until(lambda: "secrets" in (record.attempt(2).document().progress or ""), "what it waits for")
    assert len(service.attempts()) == 1
    until(lambda: DriverLock(record).holder() is None, "nobody drives")
    start(record, 2, jobs.base, secrets)
    assert reason(ended(record)) is Reason.COMPLETED
    events = [event.kind for event in record.attempt(2).events()]
    assert events.count("waiting") == 1


def test_a_driver_that_dies_while_it_submits_leaves_no_twin(
    service: Service, jobs: Jobs, other: Start
) -> None:
    service.rule(confirms_after=5.0)
    record = jobs.intend("print(1)\n")
    process = driving(other, jobs, record)
    until(service.attempts, "the submission")
    process.kill()
    process.communicate()
    assert record.attempt(1).document().handle is None, "it was never told"
    service.rule(confirms_after=0.0)
    start(record, 1, jobs.base, {})
    assert reason(ended(record)) is Reason.COMPLETED
    assert len(service.attempts()) == 1


def test_two_machines_at_once_have_one_driver(service: Service, jobs: Jobs, other: Start) -> None:
    record = jobs.intend(jobs.gated())
    processes = [driving(other, jobs, record, name=f"machine-{n}") for n in range(3)]
    jobs.open_gate()
    ends = [json.loads(answer(process).splitlines()[-1]) for process in processes]
    assert [end["outcome"]["reason"] for end in ends] == ["Completed"] * 3
    events = [event.kind for event in record.attempt(1).events()]
    assert events.count("submitted") == events.count("finalizing") == events.count("ended") == 1
    assert len(service.attempts()) == 1


def test_without_the_credential_nothing_is_lost_and_the_missing_one_is_named(
    service: Service, jobs: Jobs, other: Start
) -> None:
    record = jobs.intend(SLEEP)
    process = driving(other, jobs, record)
    seen(record, "ready")
    process.kill()
    process.communicate()
    shown = answer(cli(other, jobs, "runs", "show", record.run_id, name="third", has_credential=False))
    assert "NotResponding" in shown and CREDENTIAL in (record.attempt(1).document().progress or "")
    asked = cli(other, jobs, "cancel", record.run_id, name="third", has_credential=False)
    out, problems = asked.communicate(timeout=60)
    assert asked.returncode != 0 and CREDENTIAL in out + problems
    assert service.processes(record.run_id, 1) and record.attempt(1).document().is_live
    found = cancel(record)
    assert found is not None and reason(found) is Reason.CANCELED


def test_a_driver_of_another_host_that_beats_is_left_to_it(service: Service, jobs: Jobs) -> None:
    record = jobs.intend(SLEEP)
    start(record, 1, jobs.base, {})
    seen(record, "ready")
    let_go(5.0)
    far = Holder(host="far", boot_id="another", pid=1, token="theirs", birth="1")
    beats = 0

    def beat() -> None:
        nonlocal beats
        beats += 1
        document = {**far.to_json(), "beats": beats}
        record.store.write(f"{record.prefix}/driver.json", encode(document))

    beat()
    before = len(service.observations())
    start(record, 1, jobs.base, {})
    document = observed(record, record.attempt(1), jobs.base)
    assert document.is_live and len(service.observations()) == before, "it is theirs to ask"
    holder = DriverLock(record).holder()
    assert holder is not None and holder.host == "far"
    os.remove(record.store.local_path(f"{record.prefix}/driver.json") or "")
    start(record, 1, jobs.base, {})
    until(lambda: len(service.observations()) > before, "driven here")
    found = cancel(record)
    assert found is not None and reason(found) is Reason.CANCELED


def test_what_the_service_forgot_before_anybody_looked_is_no_success(
    service: Service, jobs: Jobs, other: Start
) -> None:
    record = jobs.intend(jobs.gated())
    process = driving(other, jobs, record)
    seen(record, "ready")
    process.kill()
    process.communicate()
    jobs.open_gate()
    service.rule(forgets_after=0.0)
    until(lambda: not service.attempts(), "it is forgotten")
    document = observed(record, record.attempt(1), jobs.base)
    assert document.status is Status.FAILED
    assert b"ready" in (record.attempt(1).folder / "logs" / "std" / "rank-0.log").read_bytes(), (
        "what was seen stays"
    )


def test_what_the_service_forgot_after_it_was_settled_is_answered_from_the_record(
    service: Service, jobs: Jobs
) -> None:
    record = jobs.intend("print(1)\n")
    start(record, 1, jobs.base, {})
    assert reason(ended(record)) is Reason.COMPLETED
    service.rule(forgets_after=0.0)
    until(lambda: not service.attempts(), "it is forgotten")
    assert reason(observed(record, record.attempt(1), jobs.base)) is Reason.COMPLETED
    with pytest.raises(TransientError):
        service.stop()
        service.ask("all")
    assert reason(observed(record, record.attempt(1), jobs.base)) is Reason.COMPLETED
    service.start()
