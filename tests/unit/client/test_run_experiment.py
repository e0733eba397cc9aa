"""What a submit refuses before anything is started, and what it says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pulumi_training as training
from pulumi_training import local as target
from pulumi_training.client import submission, submission_engine
from pulumi_training.client.experiment_declared import DeclaredRun
from pulumi_training.client.submission import Submission
from pulumi_training.client.submission_check import Checked, checked
from pulumi_training.record.documents import AttemptDocument, RunDocument
from pulumi_training.spec.names import distinct
from pulumi_training.spec.outcome import Outcome, Reason


class Started:
    """Stands for the process that submits."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls: list[tuple[Checked, dict[str, bool]]] = []

    def __call__(self, found: Checked, base: Path, **how: bool) -> Submission:
        self.calls.append((found, how))
        file = self.folder / "submission.json"
        file.write_text('{"ended_at": 1.0}')
        return Submission(file)


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Started]:
    fake = Started(tmp_path)
    monkeypatch.setattr(submission, "start", fake)
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "train.py").write_text("print('on')")
    yield fake


def cluster(**counts: int) -> target.ComputeCluster:
    return target.ComputeCluster("cpu", workspace=target.Workspace("lab"), **counts)


def experiment(name: str = "digits") -> training.Experiment:
    return training.Experiment(target.Workspace("lab"), name)


def estimator(**parameters: Any) -> training.Estimator:
    given = {"source_directory": "./src", "entry_script": "train.py", "compute_target": cluster()}
    return training.Estimator(**{**given, **parameters})


def finished(started: Started, reason: Reason, **spec: Any) -> None:
    """Records that what was submitted last has ended."""
    found = started.calls[-1][0]
    from pulumi_training.driver.request import recorded

    found.record.write_run(
        RunDocument(found.record.run_id, found.name, workspace="lab", spec={**recorded(found.job), **spec})
    )
    attempt = found.record.start_attempt(AttemptDocument(found.record.run_id, 1, target="local"))
    assert attempt is not None
    attempt.update(outcome=Outcome(reason), ended_at=1.0)


@pytest.mark.parametrize("config", ["est", training.Estimator, None, {"entry_script": "a"}])
def test_what_is_no_estimator_is_answered_kindly(config: Any, started: Started) -> None:
    with pytest.raises(training.SpecError, match="cannot be submitted; make an Estimator"):
        experiment().submit(config)
    assert started.calls == []


@pytest.mark.parametrize("name", ["", "  ", None])
def test_an_experiment_has_a_name(name: Any) -> None:
    with pytest.raises(training.SpecError, match="no name for an experiment"):
        experiment(name)


def test_an_experiment_has_a_workspace() -> None:
    with pytest.raises(training.SpecError, match="no workspace"):
        training.Experiment("lab", "digits")


def test_only_parameters_and_inputs_change_at_submit(started: Started) -> None:
    with pytest.raises(training.SpecError, match="cannot be changed at submit"):
        experiment().submit(estimator(), node_count=2)
    experiment().submit(estimator(script_params={"--a": 1}), script_params={"--b": "", "--c": 2})
    assert started.calls[-1][0].inputs["arguments"] == ["--b", "--c", "2"]


def test_a_cluster_of_another_workspace_is_refused(started: Started) -> None:
    other = target.ComputeCluster("cpu", workspace=target.Workspace("den"))
    with pytest.raises(training.SpecError, match="the cluster's workspace is 'den', the experiment's 'lab'"):
        experiment().submit(estimator(compute_target=other))


def test_idle_gpus_are_warned_of_with_the_numbers(started: Started) -> None:
    two = cluster(gpus_per_node=2, slots_per_node=2)
    with pytest.warns(UserWarning, match="1 of its 2 GPUs"):
        experiment().submit(estimator(use_gpu=True, compute_target=two))


def test_one_project_for_an_experiment_and_one_stack_for_a_run(started: Started) -> None:
    for epochs in (1, 2):
        experiment("My Digits!").submit(estimator(), script_params={"--epochs": epochs})
    experiment("My Digits!").submit(estimator(), script_params={"--epochs": 1}, tags={"a": "b"})
    first, second, third = (found for found, _ in started.calls)
    assert first.project == second.project == distinct("My Digits!")
    assert first.stack != second.stack
    assert (first.stack, first.record.run_id) == (third.stack, third.record.run_id)
    assert third.inputs["tags"] == {"a": "b"}
    assert first.inputs["experimentName"] == "My Digits!"
    assert first.inputs["wait"] is False


def test_the_same_job_in_another_store_is_another_stack(
    started: Started, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = checked(estimator().parameters, "fit", "digits", tmp_path)
    there = tmp_path / "there"
    (there / "src").mkdir(parents=True)
    (there / "src" / "train.py").write_text("print('on')")
    monkeypatch.chdir(there)
    other = checked(estimator().parameters, "fit", "digits", there)
    assert here.stack != other.stack


def test_the_key_is_the_one_that_check_finds(started: Started, tmp_path: Path) -> None:
    from pulumi_training.provider.handler import CheckCall
    from pulumi_training.provider.training_job_check import check

    data = tmp_path / "data"
    data.mkdir()
    (data / "a.csv").write_text("1")
    digits = target.Datastore("digits", workspace=target.Workspace("lab"), source="./data")
    job = estimator(
        script_params={"--data": digits.as_mount(), "--rate": 0.5}, max_run_duration_seconds=60, node_count=1
    )
    found = checked(job.parameters, "fit", "digits", tmp_path)
    answer, _ = check(
        CheckCall(urn=found.urn, name="fit", type="training:index:TrainingJob", inputs=dict(found.inputs)),
        tmp_path,
    )
    from pulumi_training.identity.key import run_id

    assert not answer.problems
    key = answer.inputs["runKey"]
    assert found.record.run_id == run_id("fit", key, found.urn, "lab")


def test_what_completed_is_returned_and_said(started: Started, capsys: pytest.CaptureFixture[str]) -> None:
    first = experiment().submit(estimator())
    finished(started, Reason.COMPLETED)
    again = experiment().submit(estimator())
    assert again.id == first.id
    assert len(started.calls) == 1
    assert "nothing changed" in capsys.readouterr().out
    experiment().submit(estimator(), force=True)
    assert started.calls[-1][1] == {"refresh": False, "replace": True}


def test_what_failed_is_looked_at_again(started: Started) -> None:
    experiment().submit(estimator())
    finished(started, Reason.SCRIPT_FAILED)
    experiment().submit(estimator())
    assert started.calls[-1][1] == {"refresh": True, "replace": False}


def test_a_stricter_bound_is_brought_to_the_run(started: Started, capsys: pytest.CaptureFixture[str]) -> None:
    experiment().submit(estimator())
    finished(started, Reason.COMPLETED)
    experiment().submit(estimator(expect={"acc": ">0.9"}))
    assert len(started.calls) == 2
    assert "brought up to date: expect" in capsys.readouterr().out


def test_values_that_are_none_are_refused_with_their_path(tmp_path: Path, started: Started) -> None:
    with pytest.raises(training.SpecError, match=r"tags: .* is a set"):
        experiment().submit(estimator(tags={"a": {1, 2}}))


def test_no_pulumi_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("TRAINING_ENGINE_DIR", str(tmp_path / "engine"))
    with pytest.raises(training.TrainingError, match="none on PATH"):
        submission_engine.find_pulumi()
    brought = tmp_path / "engine" / "v3.259.0" / "bin" / "pulumi"
    brought.parent.mkdir(parents=True)
    brought.touch()
    assert submission_engine.find_pulumi() == brought


def test_a_persons_own_backend_and_passphrase_stay(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE", raising=False)
    own = submission_engine.environment(tmp_path / "pulumi")
    assert own["PULUMI_BACKEND_URL"].startswith("file://")
    assert own["PULUMI_CONFIG_PASSPHRASE"] == ""
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://bucket")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE_FILE", "/file")
    theirs = submission_engine.environment(tmp_path / "pulumi")
    assert theirs["PULUMI_BACKEND_URL"] == "s3://bucket"
    assert "PULUMI_CONFIG_PASSPHRASE" not in theirs


def test_submitted_runs_are_nobodys_orphans(tmp_path: Path) -> None:
    folder = submission_engine.experiments_folder() / "digits" / "digits-0011223344"
    folder.mkdir(parents=True)
    (folder / "1-2.json").write_text('{"run_id": "digits-aaaaaaaaaa", "ended_at": 1.0, "error": "no plugin"}')
    (folder / "2-2.json").write_text('{"run_id": "digits-bbbbbbbbbb", "pid": 999999999}')
    assert submission.run_ids() == {"digits-aaaaaaaaaa", "digits-bbbbbbbbbb"}
    assert list(submission.pending()) == []
    assert Submission(folder / "1-2.json").failure() == "no plugin"
    assert "is gone" in (Submission(folder / "2-2.json").failure() or "")
    assert "cannot be read" in (Submission(folder / "3-2.json").failure() or "")


def test_an_estimators_own_name_is_the_jobs(started: Started) -> None:
    experiment().submit(estimator(name="fit"))
    experiment().submit(estimator(name="fit"), name="other")
    assert [found.name for found, _ in started.calls] == ["fit", "other"]


def test_what_a_declared_run_has_not_is_told(tmp_path: Path) -> None:
    run = DeclaredRun(job=None)  # type: ignore[arg-type]
    with pytest.raises(
        AttributeError, match=r"no 'download_file': it is there only after `pulumi up`.*Run\.get\(run_id\)"
    ):
        run.download_file("outputs/model.pkl")
    assert not hasattr(run, "__await__")


def test_runs_are_not_looked_at_in_a_program(monkeypatch: pytest.MonkeyPatch) -> None:
    made = experiment("digits")
    monkeypatch.setattr("pulumi_training.client.experiment.is_in_program", lambda: True)
    with pytest.raises(training.TrainingError, match="only declares its runs"):
        made.get_runs()
