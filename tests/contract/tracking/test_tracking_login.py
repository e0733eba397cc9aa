"""Servers that ask for a login: MLflow's own, and one behind a proxy that asks for a token."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow_server import LOGIN, TOKEN, MlflowServer, TokenGate

from pulumi_training.driver.track import CaughtUp, catch_up_now, use_credentials
from pulumi_training.record.record import Record
from pulumi_training.spec.outcome import Outcome, Reason
from pulumi_training.tracking.place import Place
from pulumi_training.tracking.tracked import read_tracked
from pulumi_training.tracking.tracker import Tracker
from pulumi_training.tracking.troubles import TrackingError
from pulumi_training.tracking.writer import Writer

RIGHT = {"MLFLOW_TRACKING_USERNAME": LOGIN[0], "MLFLOW_TRACKING_PASSWORD": LOGIN[1]}
WRONG = {"MLFLOW_TRACKING_USERNAME": LOGIN[0], "MLFLOW_TRACKING_PASSWORD": "wrong-horse-battery"}


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody is logged in, neither by variables nor by MLflow's own file; what a test sets is undone."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def ended(record: Record, uri: str) -> None:
    """A tracked run that ended, and wrote something."""
    record.update_run(spec={**record.run_document().spec, "compute": {"trackingUri": uri}})
    attempt = record.attempt(1)
    (attempt.folder / "outputs" / "model.txt").write_text("a model")
    attempt.update(outcome=Outcome(Reason.COMPLETED, ""))


def said(record: Record) -> list[str]:
    return [event.message for event in record.attempt(1).events() if event.kind == "warning"]


def everything(record: Record) -> str:
    folder = record.attempt(1).folder.parents[1]
    return "".join(path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file())


def test_a_login_opens_the_server_with_all_that_is_written(
    record: Record, locked_server: MlflowServer
) -> None:
    ended(record, locked_server.uri)
    use_credentials({**RIGHT, "OTHER": "is none of MLflow's business"})
    assert catch_up_now(record) == [CaughtUp(1, None)]
    tracked = read_tracked(record.attempt(1))
    assert tracked is not None and tracked.mlflow_run_id
    client = MlflowClient(tracking_uri=locked_server.uri)
    assert client.get_run(tracked.mlflow_run_id).info.status == "FINISHED"
    assert [f.path for f in client.list_artifacts(tracked.mlflow_run_id, "outputs")] == ["outputs/model.txt"]
    assert LOGIN[1] not in everything(record)


def test_a_token_opens_a_server_behind_a_proxy(record: Record, gate: TokenGate) -> None:
    ended(record, gate.uri)
    (refused,) = catch_up_now(record)
    assert refused.problem and "asks for a login" in refused.problem
    use_credentials({"MLFLOW_TRACKING_TOKEN": TOKEN})
    assert catch_up_now(record) == [CaughtUp(1, None)]
    assert TOKEN not in everything(record)


@pytest.mark.parametrize("given", [{}, WRONG], ids=["no login", "a wrong password"])
def test_a_login_that_does_not_open_is_one_warning_that_says_what_to_do(
    record: Record, locked_server: MlflowServer, given: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pulumi_training.tracking.tracker._EVERY_SECONDS", 0.05)
    monkeypatch.setattr("pulumi_training.tracking.tracker._PAUSE_SECONDS", 0.05)
    use_credentials(given)
    record.update_run(spec={**record.run_document().spec, "compute": {"trackingUri": locked_server.uri}})
    tracker = Tracker.of(record, record.attempt(1))
    assert tracker is not None
    assert tracker.variables(60) == {}
    tracker.join(2)  # a dozen tries
    ended(record, locked_server.uri)
    tracker.end()
    tracker.join(60)
    (warning,) = said(record)
    assert "asks for a login" in warning and "MLFLOW_TRACKING_PASSWORD" in warning
    assert "the run goes on" in warning
    assert WRONG["MLFLOW_TRACKING_PASSWORD"] not in everything(record)
    use_credentials(RIGHT)
    assert catch_up_now(record) == [CaughtUp(1, None)]
    tracked = read_tracked(record.attempt(1))
    assert tracked is not None and tracked.warning is None


def test_a_user_who_may_only_read_is_told_so(record: Record, locked_server: MlflowServer) -> None:
    import mlflow.server.auth.client as auth

    use_credentials(RIGHT)
    Writer(record, record.attempt(1), Place(locked_server.uri)).open()  # the experiment is ann's
    auth.AuthServiceClient(locked_server.uri).create_user("bob", "may-only-look-at-it")
    use_credentials({"MLFLOW_TRACKING_USERNAME": "bob", "MLFLOW_TRACKING_PASSWORD": "may-only-look-at-it"})
    with pytest.raises(TrackingError, match="does not let this user write the run"):
        Writer(record, record.attempt(1), Place(locked_server.uri)).bring_up_to_date(0)


def test_the_command_line_catches_up_with_the_login_of_its_environment(
    record: Record, locked_server: MlflowServer
) -> None:
    ended(record, locked_server.uri)
    line = [str(Path(sys.executable).with_name("pulumi-training")), "mlflow", "--catch-up"]
    line += ["--store", str(record.store.local_path("."))]

    def catch_up(login: dict[str, str]) -> tuple[int, str]:
        done = subprocess.run(line, env={**os.environ, **login}, capture_output=True, text=True, timeout=120)
        return done.returncode, done.stdout + done.stderr

    code, said = catch_up(WRONG)
    assert code == 1
    assert f"{record.run_id} attempt 1: " in said and "asks for a login" in said
    code, said = catch_up(RIGHT)
    assert code == 0, said
    assert f"{record.run_id} attempt 1: MLflow has all of it" in said
    code, said = catch_up(RIGHT)
    assert code == 0 and "nothing to tell" in said
