"""MLflow runs, and experiments, that somebody deletes by hand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from pulumi_training.driver.track import CaughtUp, catch_up_now
from pulumi_training.record.attempt import Attempt
from pulumi_training.record.record import Record
from pulumi_training.spec.outcome import Outcome, Reason
from pulumi_training.tracking.place import Place
from pulumi_training.tracking.tracked import Tracked, is_behind, read_tracked
from pulumi_training.tracking.tracker import Tracker
from pulumi_training.tracking.troubles import TrackingError
from pulumi_training.tracking.writer import Writer


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pulumi_training.tracking.tracker._EVERY_SECONDS", 0.05)
    monkeypatch.setattr("pulumi_training.tracking.tracker._PAUSE_SECONDS", 0.05)


@pytest.fixture
def tracked_record(record: Record, place: Place) -> Record:
    uri = "workspace" if place.folder else place.uri
    record.update_run(spec={**record.run_document().spec, "compute": {"trackingUri": uri}})
    return record


def state(record: Record) -> Tracked:
    found = read_tracked(record.attempt(1))
    assert found is not None and found.mlflow_run_id
    return found


def warnings(attempt: Attempt) -> list[str]:
    return [event.message for event in attempt.events() if event.kind == "warning"]


def purge(place: Place, run_id: str, server: Any) -> None:
    """Deletes a run for good, as the administrator of the store does."""
    store = place.uri if place.folder else f"sqlite:///{server._folder / 'server.db'}"
    line = [sys.executable, "-m", "mlflow", "gc", "--backend-store-uri", store, "--run-ids", run_id]
    line += ["--tracking-uri", place.uri]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_a_run_deleted_while_it_lives_is_one_warning_and_is_told_no_more(
    tracked_record: Record, place: Place
) -> None:
    attempt = tracked_record.attempt(1)
    tracker = Tracker.of(tracked_record, attempt)
    assert tracker is not None
    run_id = tracker.variables(60)["MLFLOW_RUN_ID"]
    client = MlflowClient(tracking_uri=place.uri)
    client.delete_run(run_id)
    tracker.join(60)  # it ends by itself
    assert not tracker._thread.is_alive()
    (warning,) = warnings(attempt)
    assert run_id in warning and "was deleted" in warning and "--catch-up" in warning
    (attempt.folder / "metrics" / "rank-0.jsonl").write_text('{"step": 1, "loss": 0.5}\n')
    attempt.update(outcome=Outcome(Reason.COMPLETED, ""))
    tracker.end()
    assert not is_behind(attempt, attempt.document()), "no later `pulumi up` tells it either"
    assert Tracker.of(tracked_record, attempt) is None
    assert len(warnings(attempt)) == 1
    assert client.get_run(run_id).info.lifecycle_stage == "deleted", "nothing brought it back"

    (answer,) = catch_up_now(tracked_record)
    assert answer.problem and "was deleted" in answer.problem
    client.restore_run(run_id)
    assert catch_up_now(tracked_record) == [CaughtUp(1, None)]
    found = client.get_run(run_id)
    assert found.info.status == "FINISHED" and found.data.metrics == {"loss": 0.5}
    assert state(tracked_record).warning is None


def test_a_run_that_is_gone_for_good_is_written_anew_only_when_asked(
    tracked_record: Record, place: Place, server: Any
) -> None:
    attempt = tracked_record.attempt(1)
    (attempt.folder / "metrics" / "rank-0.jsonl").write_text('{"step": 1, "loss": 0.5}\n')
    Writer(tracked_record, attempt, place).bring_up_to_date(0)
    run_id = state(tracked_record).mlflow_run_id
    assert run_id
    client = MlflowClient(tracking_uri=place.uri)
    client.delete_run(run_id)
    purge(place, run_id, server)
    attempt.update(outcome=Outcome(Reason.COMPLETED, ""))
    tracker = Tracker.of(tracked_record, attempt)
    assert tracker is not None
    tracker.end()
    tracker.join(60)
    (warning,) = warnings(attempt)
    assert run_id in warning and "was deleted" in warning
    assert Tracker.of(tracked_record, attempt) is None

    assert catch_up_now(tracked_record) == [CaughtUp(1, None)]
    anew = state(tracked_record).mlflow_run_id
    assert anew and anew != run_id
    assert client.get_run(anew).data.metrics == {"loss": 0.5}
    assert client.get_run(anew).info.status == "FINISHED"


def test_a_deleted_experiment_is_named_and_waited_for(
    tracked_record: Record, place: Place, tmp_path: Path
) -> None:
    name = f"of-{tmp_path.name}"
    tracked_record.update_run(spec={**tracked_record.run_document().spec, "experimentName": name})
    client = MlflowClient(tracking_uri=place.uri)
    experiment = client.create_experiment(name)
    client.delete_experiment(experiment)
    with pytest.raises(TrackingError, match=r"was deleted in MLflow .* restore it, or name another one"):
        Writer(tracked_record, tracked_record.attempt(1), place).open()
    client.restore_experiment(experiment)
    Writer(tracked_record, tracked_record.attempt(1), place).open()
    assert state(tracked_record).experiment_id == experiment
