"""What MLflow has of an attempt, whoever wrote it and however often."""

from __future__ import annotations

import json
from typing import Any

import pytest
from mlflow import MlflowClient

from pulumi_training.record.attempt import Attempt
from pulumi_training.record.record import Record
from pulumi_training.spec.errors import TrainingError
from pulumi_training.spec.outcome import Outcome, Reason
from pulumi_training.tracking.place import Place
from pulumi_training.tracking.tracked import is_behind, read_tracked, write_tracked
from pulumi_training.tracking.troubles import TrackingError
from pulumi_training.tracking.writer import Writer


def report(attempt: Attempt, *points: dict[str, Any]) -> None:
    with (attempt.folder / "metrics" / "rank-0.jsonl").open("a") as stream:
        stream.writelines(json.dumps(point) + "\n" for point in points)


def writer(record: Record, place: Place) -> Writer:
    """As a process that has just begun has it."""
    return Writer(record, record.attempt(1), place)


def found(record: Record, place: Place) -> list[Any]:
    client = MlflowClient(tracking_uri=place.uri)
    experiment = client.get_experiment_by_name("lab")
    assert experiment is not None
    tracked = read_tracked(record.attempt(1))
    assert tracked is not None
    where = f"tags.`training.attempt_key` LIKE '{record.run_id}%'"
    runs = client.search_runs([experiment.experiment_id], where)
    created = round(record.attempt(1).document().created_at * 1000)
    return [run for run in runs if run.data.tags["training.attempt_key"].endswith(f"-{created}")]


def history(record: Record, place: Place, name: str) -> list[tuple[int, float]]:
    (run,) = found(record, place)
    points = MlflowClient(tracking_uri=place.uri).get_metric_history(run.info.run_id, name)
    return sorted((point.step, point.value) for point in points)


def test_metrics_come_once_with_their_steps_whoever_sends_them(record: Record, place: Place) -> None:
    attempt = record.attempt(1)
    report(
        attempt,
        {"step": 0, "loss": 1.0},
        {"step": 5, "loss": 0.5, "deep": {"er": 1}},
        {"lonely": 7},
        {"lonely": 8},
    )
    writer(record, place).bring_up_to_date(0)
    writer(record, place).bring_up_to_date(0)
    report(attempt, {"step": 6, "loss": 0.25}, {"lonely": 9})
    writer(record, place).bring_up_to_date(0)
    assert history(record, place, "loss") == [(0, 1.0), (5, 0.5), (6, 0.25)]
    assert history(record, place, "lonely") == [(0, 7), (1, 8), (2, 9)]
    assert history(record, place, "deep.er") == [(5, 1)]


def test_numbers_that_are_none_are_taken_as_mlflow_has_them(record: Record, place: Place) -> None:
    report(record.attempt(1), {"loss": float("nan")}, {"loss": float("inf")}, {"loss": 0.5})
    writer(record, place).bring_up_to_date(0)
    assert len(history(record, place, "loss")) == 3


def test_thousands_of_points_go_in_batches(record: Record, place: Place) -> None:
    report(record.attempt(1), *({"step": step, "loss": step} for step in range(1234)))
    writer(record, place).bring_up_to_date(0)
    assert len(history(record, place, "loss")) == 1234


def test_an_attempt_has_one_run_even_where_its_id_was_not_noted(record: Record, place: Place) -> None:
    writer(record, place).open()
    (run,) = found(record, place)
    attempt = record.attempt(1)
    attempt.store.delete(f"{attempt.prefix}/tracking.json")  # as after a crash between the two
    again = writer(record, place)
    again.open()
    assert again.tracked.mlflow_run_id == run.info.run_id
    assert len(found(record, place)) == 1


def test_a_batch_that_was_sent_and_not_noted_is_not_there_twice(record: Record, place: Place) -> None:
    report(record.attempt(1), {"step": 0, "loss": 1.0}, {"step": 1, "loss": 0.5})
    first = writer(record, place)
    first.open()
    before = first.tracked
    first.bring_up_to_date(0)
    (point,) = (p for p in points(record, place) if p.step == 1)
    size = first.tracked.sent["0"][0]
    write_tracked(record.attempt(1), before.changed(sending=[0, size, point.timestamp]))
    writer(record, place).bring_up_to_date(0)
    assert history(record, place, "loss") == [(0, 1.0), (1, 0.5)]


def points(record: Record, place: Place) -> list[Any]:
    (run,) = found(record, place)
    return list(MlflowClient(tracking_uri=place.uri).get_metric_history(run.info.run_id, "loss"))


@pytest.mark.parametrize(
    ("reason", "status"),
    [(Reason.COMPLETED, "FINISHED"), (Reason.SCRIPT_FAILED, "FAILED"), (Reason.CANCELED, "KILLED")],
)
def test_the_end_has_the_outcome_the_files_and_the_last_word(
    record: Record, place: Place, reason: Reason, status: str
) -> None:
    attempt = record.attempt(1)
    writer(record, place).bring_up_to_date(0)
    (run,) = found(record, place)
    client = MlflowClient(tracking_uri=place.uri)
    client.set_terminated(run.info.run_id, "FINISHED")  # as MLflow does when a rank's process ends
    writer(record, place).bring_up_to_date(0)
    assert client.get_run(run.info.run_id).info.status == "RUNNING"
    client.set_terminated(run.info.run_id, "FINISHED")
    (attempt.folder / "outputs" / "model.txt").write_text("a model")
    (attempt.folder / "logs" / "std" / "rank-0.log").write_text("epoch 1\n")
    attempt.update(outcome=Outcome(reason, "as it was"), environment={"packages": ["numpy==2.0"]})
    assert is_behind(attempt, attempt.document())
    writer(record, place).end(0)
    assert not is_behind(attempt, attempt.document())
    (run,) = found(record, place)
    assert run.info.status == status
    assert run.data.tags["training.reason"] == reason.value
    assert run.data.tags["team"] == "vision"
    assert run.data.params["args.epochs"] == "5"
    assert [f.path for f in client.list_artifacts(run.info.run_id, "outputs")] == ["outputs/model.txt"]
    assert [f.path for f in client.list_artifacts(run.info.run_id, "logs/std")] == ["logs/std/rank-0.log"]
    assert "packages.txt" in [f.path for f in client.list_artifacts(run.info.run_id)]


def test_a_server_that_is_not_there_is_named(record: Record) -> None:
    nowhere = Place("http://127.0.0.1:9")
    with pytest.raises(TrackingError, match=r"MLflow at http://127\.0\.0\.1:9 does not answer"):
        writer(record, nowhere).open()


def test_a_record_that_was_removed_stays_removed(record: Record, place: Place) -> None:
    late = writer(record, place)
    late.open()
    record.store.delete(record.prefix)
    with pytest.raises(TrainingError, match=r"removed|not in"):
        late.warn("late")
    assert not record.store.exists(f"{record.prefix}/attempts/1/tracking.json")
