"""Runs that a service owns, as MLflow shows them: beside the live run, across drivers, each with its own login."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from unattended.jobs import Jobs, until
from unattended.service import Service

sys.path.insert(0, str(Path(__file__).parents[2]))

from mlflow_server import MlflowServer, TokenGate

from pulumi_training.driver.attach import observed
from pulumi_training.driver.start import let_go, start
from pulumi_training.record.record import Record
from pulumi_training.spec.outcome import Reason
from pulumi_training.tracking.login import own_credentials
from pulumi_training.tracking.tracked import Tracked, read_tracked

pytest.importorskip("mlflow")
pytestmark = pytest.mark.timeout(180)

SCRIPT = (
    "import json, os, time\n"
    "out = open(os.environ['TRAINING_METRICS'], 'a')\n"
    "print('run', os.environ['MLFLOW_RUN_ID'], flush=True)\n"
    "for step in range(6):\n"
    "    print(json.dumps({'step': step, 'loss': 1.0 / (step + 1)}), file=out, flush=True)\n"
    "    time.sleep(1)\n"
    "if os.environ['TRAINING_ATTEMPT'] == '1' and os.environ.get('FAILS'):\n    raise SystemExit(3)\n"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    made = MlflowServer(tmp_path_factory.mktemp("server"))
    made.start()
    yield made
    made.stop()


@pytest.fixture
def gates(server: MlflowServer) -> Iterator[list[TokenGate]]:
    """Two doors of the server, each with a key of its own."""
    made = [TokenGate(server, f"token-number-{n}") for n in range(2)]
    yield made
    for gate in made:
        gate.stop()


def tracked(jobs: Jobs, uri: str, name: str = "fit", **fields: Any) -> Record:
    compute = jobs.service.compute(str(jobs.store), trackingUri=uri)
    return jobs.intend(SCRIPT, name, compute=compute, **fields)


def found(record: Record, number: int = 1) -> Tracked:
    return read_tracked(record.attempt(number)) or Tracked()


def losses(server: MlflowServer, record: Record, number: int = 1) -> list[float]:
    from mlflow import MlflowClient

    run_id = found(record, number).mlflow_run_id
    return [m.value for m in MlflowClient(server.uri).get_metric_history(run_id, "loss")] if run_id else []


def status(server: MlflowServer, record: Record, number: int = 1) -> str:
    from mlflow import MlflowClient

    run_id = found(record, number).mlflow_run_id
    return str(MlflowClient(server.uri).get_run(run_id).info.status) if run_id else ""


def test_mlflow_is_told_while_it_runs_and_of_every_attempt(
    server: MlflowServer, service: Service, jobs: Jobs
) -> None:
    record = tracked(
        jobs,
        server.uri,
        environmentVariables={"FAILS": "yes"},
        retries={"maxAttempts": 2, "on": ["script_failed"], "backoffSeconds": 0},
    )
    start(record, 1, jobs.base, {})
    until(lambda: len(losses(server, record)) >= 2, "metrics in MLflow")
    assert status(server, record) == "RUNNING" and record.attempt(1).document().is_live
    until(lambda: record.attempt(2).exists(), "the retry")
    until(lambda: status(server, record, 2) == "FINISHED", "the end in MLflow")
    assert status(server, record) == "FAILED"
    assert losses(server, record, 2) == [pytest.approx(1.0 / (n + 1)) for n in range(6)]
    log = (record.attempt(2).folder / "logs" / "std" / "rank-0.log").read_text()
    assert f"run {found(record, 2).mlflow_run_id}" in log, "the script is told its MLflow run"


def test_two_runs_with_two_logins_do_not_mix(
    server: MlflowServer, gates: list[TokenGate], service: Service, jobs: Jobs
) -> None:
    records = []
    for number, gate in enumerate(gates):
        secrets = {"MLFLOW_TRACKING_TOKEN": f"token-number-{number}"}
        record = tracked(jobs, gate.uri, f"fit-{number}", secretEnvironmentVariables=secrets)
        start(record, 1, jobs.base, secrets)
        records.append(record)
    for record in records:
        until(lambda record=record: found(record).outcome == Reason.COMPLETED.value, "the end in MLflow")
        assert len(losses(server, record)) == 6 and found(record).warning is None
    assert own_credentials() == {}, "this process's own are as before"


def test_the_next_driver_goes_on_where_the_one_before_stopped(
    server: MlflowServer, service: Service, jobs: Jobs
) -> None:
    record = tracked(jobs, server.uri)
    start(record, 1, jobs.base, {})
    until(lambda: len(losses(server, record)) >= 1, "metrics in MLflow")
    let_go(5.0)
    until(lambda: service.attempts()[0]["state"] == "Ended", "the end at the service")
    assert status(server, record) == "RUNNING", "nobody has told it"
    document = observed(record, record.attempt(1), jobs.base)
    assert document.outcome is not None and document.outcome.is_success
    until(lambda: status(server, record) == "FINISHED", "the end in MLflow")
    assert losses(server, record) == [pytest.approx(1.0 / (n + 1)) for n in range(6)], "each once"


def test_what_mlflow_has_not_heard_at_the_end_is_told_by_a_process_of_its_own(
    server: MlflowServer, service: Service, jobs: Jobs
) -> None:
    record = tracked(jobs, server.uri)
    start(record, 1, jobs.base, {})
    until(lambda: record.attempt(1).document().status.is_terminal, "the end")
    let_go(0.0)
    until(lambda: status(server, record) == "FINISHED", "the end in MLflow")
    assert len(losses(server, record)) == 6
