"""Experiments from a notebook's place: a plain Python process, the real engine, runs that outlive what submitted them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import textwrap
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from desk import Desk
from lab import eventually
from sandbox import Sandbox

import pulumi_training as training
from pulumi_training import local as target
from pulumi_training.client import submission

pytestmark = pytest.mark.engine


def test_the_pages_sample_runs_to_its_end(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    started = time.monotonic()
    run = desk.submit(tags={"team": "vision"})
    took = time.monotonic() - started
    details = run.wait_for_completion(show_output=True)
    assert details.status == details["status"] == "Completed"
    assert "epoch 0\nepoch 1\n" in capsys.readouterr().out
    assert run.get_metrics() == {"loss": [1.0, 0.5]}
    assert run.get_tags() == {"team": "vision"}
    assert run.download_file("outputs/model.txt", desk.lab.folder / "here.txt").read_text() == "weights"
    assert run.id.startswith("my-digits-")
    assert took < 30, "submit waits for nothing"
    # Nothing but the record is in the caller's folder: no project, no stack.
    assert {p.name for p in desk.lab.folder.iterdir()} == {"src", ".training", "here.txt"}


def test_an_unchanged_run_is_returned_and_said_and_force_runs_it_again(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    first = desk.submit()
    first.wait_for_completion()
    again = desk.submit()
    assert again.id == first.id
    assert "nothing changed" in capsys.readouterr().out
    assert again.get_status() == "Completed"
    forced = desk.submit(force=True)
    assert forced.id == first.id
    details = forced.wait_for_completion()
    assert (details.status, details.properties["attempt"]) == ("Completed", "2")
    assert [run.id for run in desk.experiment.get_runs()] == [first.id]


def test_a_change_in_place_runs_nothing_again(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    first = desk.submit()
    first.wait_for_completion()
    first.tag("best", "yes")
    assert desk.submit().get_tags() == {"best": "yes"}
    assert "nothing changed" in capsys.readouterr().out
    again = desk.submit(tags={"new": "one"})
    assert "brought up to date: tags" in capsys.readouterr().out
    assert again.get_status() == "Completed"
    assert again.wait_for_completion().properties["attempt"] == "1"
    assert again.get_tags() == {"best": "yes", "new": "one"}


def test_a_run_whose_record_was_removed_is_run_again(desk: Desk) -> None:
    first = desk.submit()
    first.wait_for_completion()
    shutil.rmtree(desk.lab.store)
    with pytest.raises(training.TrainingError, match=r"has no record in .*submit it again"):
        first.wait_for_completion()
    again = desk.submit()
    assert again.id == first.id
    assert again.wait_for_completion().status == "Completed"
    assert "outputs/model.txt" in again.get_file_names()


def test_a_notebook_that_stands_elsewhere_finds_its_runs(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = desk.submit()
    run.wait_for_completion()
    monkeypatch.chdir(tmp_path)
    assert [each.id for each in desk.experiment.get_runs()] == [run.id]
    assert training.Run.get(desk.experiment.workspace, run.id).get_status() == "Completed"


def test_a_failed_run_is_run_again_by_the_next_submit(desk: Desk) -> None:
    marker = desk.lab.sandbox.folder / "marker"
    desk.script(f"""
        import pathlib
        marker = pathlib.Path({str(marker)!r})
        if not marker.exists():
            marker.touch()
            raise ValueError("no label")
    """)
    run = desk.submit()
    with pytest.raises(training.PermanentError, match="no label"):
        run.wait_for_completion()
    eventually(lambda: not list(submission.pending()), "the first submission is over")
    again = desk.submit()
    assert again.id == run.id
    assert again.wait_for_completion().properties["attempt"] == "2"


def test_everything_wrong_is_said_at_once_and_nothing_is_started(desk: Desk) -> None:
    bad = desk.estimator(entry_script="trian.py", node_count=5, distributed_backend="mpi")
    with pytest.raises(training.SpecError) as caught:
        desk.experiment.submit(bad)
    assert {problem.path for problem in caught.value.problems} == {"entryScript", "nodeCount"}
    assert "train.py" in str(caught.value)
    assert list(submission.pending()) == []
    assert not desk.lab.store.exists()


def test_two_submits_at_once_neither_block_nor_delete_one_another(desk: Desk) -> None:
    runs = [
        desk.submit(script_params={"--epochs": 1}),
        desk.submit(script_params={"--epochs": 3}),
        desk.submit(script_params={"--epochs": 3}),
    ]
    assert len({run.id for run in runs}) == 2
    for run in runs:
        assert run.wait_for_completion().properties["attempt"] == "1"
    assert {run.id for run in desk.experiment.get_runs()} == {run.id for run in runs}


def test_a_live_run_is_returned_found_by_another_notebook_and_canceled(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.script("import time\nprint('on', flush=True)\ntime.sleep(600)")
    run = desk.submit()
    assert [each.id for each in desk.experiment.get_runs()] == [run.id]
    assert training.Run.get(run.id).id == run.id
    eventually(lambda: run.get_status() == "Running", "the run runs")
    assert desk.submit().id == run.id
    assert "it is Running" in capsys.readouterr().out
    found = desk.experiment.get_runs()[0]
    found.cancel(grace=0)
    assert found.get_status() == "Canceled"
    assert run.wait_for_completion().status == "Canceled"


def test_a_killed_notebook_leaves_its_run_and_no_lock(desk: Desk) -> None:
    program = """
        import os, signal
        import pulumi_training as training
        from pulumi_training import local as target
        lab = target.Workspace("lab")
        cluster = target.ComputeCluster("cpu", workspace=lab, slots_per_node=2)
        run = training.Experiment(lab, "My digits").submit(training.Estimator(
            "./src", entry_script="train.py", compute_target=cluster))
        print(run.id, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=120
    )
    run_id = killed.stdout.strip()
    assert run_id, killed.stderr
    run = training.Run.get(run_id)
    assert run.wait_for_completion().status == "Completed"
    assert desk.submit(force=True).wait_for_completion().properties["attempt"] == "2"


def test_a_killed_submission_is_told_and_the_next_one_goes_through(desk: Desk) -> None:
    run = desk.submit()
    (under_way,) = list(submission.pending())
    pid = json.loads(under_way.file.read_text())["pid"]
    for process in [*psutil.Process(pid).children(recursive=True), psutil.Process(pid)]:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    eventually(under_way.is_over, "the submission is over")
    assert under_way.failure() is not None
    if run.get_status() == "Failed":
        assert "is gone" in run.get_details().error["error"]["message"]
    assert desk.submit(force=True).wait_for_completion().status == "Completed"


def test_an_engine_that_refuses_is_quoted(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", f"file://{desk.lab.folder}/nowhere/at-all")
    run = desk.submit()
    with pytest.raises(training.TrainingError, match="could not be submitted"):
        run.wait_for_completion()
    assert run.get_status() == "Failed"


def test_a_source_that_changes_while_it_is_submitted_is_refused(desk: Desk) -> None:
    run = desk.submit()
    desk.script("import time; time.sleep(600)")
    with pytest.raises(training.TrainingError, match="changed while it was being submitted"):
        run.wait_for_completion()
    assert {each.get_status() for each in desk.experiment.get_runs()} <= {"Canceled", "Failed"}


def test_a_canceled_run_is_run_again_by_the_next_submit(desk: Desk) -> None:
    marker = desk.lab.sandbox.folder / "marker"
    desk.script(f"""
        import pathlib, time
        marker = pathlib.Path({str(marker)!r})
        if not marker.exists():
            marker.touch()
            time.sleep(600)
    """)
    run = desk.submit()
    eventually(marker.exists, "the script runs")
    run.cancel(grace=0)
    eventually(lambda: not list(submission.pending()), "the first submission is over")
    assert desk.submit().wait_for_completion().properties["attempt"] == "2"


def test_secrets_reach_the_script_and_no_file(desk: Desk) -> None:
    desk.script("import os\nassert os.environ['TOKEN'] == '-'.join(['hunter2'] * 2)")
    secret = desk.estimator(secret_environment_variables={"TOKEN": "hunter2-hunter2"})
    run = desk.experiment.submit(secret)
    assert run.wait_for_completion().status == "Completed"
    eventually(lambda: not list(submission.pending()), "the submission is over")
    for file in desk.lab.sandbox.folder.rglob("*"):
        if file.is_file():
            assert b"hunter2-hunter2" not in file.read_bytes(), file


def test_a_program_declares_and_its_run_is_outputs(desk: Desk, sandbox: Sandbox) -> None:
    import pulumi

    def program() -> None:
        lab = target.Workspace("lab")
        cluster = target.ComputeCluster("cpu", workspace=lab, slots_per_node=2)
        experiment = training.Experiment(lab, "digits")
        for epochs in (1, 2):
            run = experiment.submit(
                training.Estimator("./src", entry_script="train.py", compute_target=cluster),
                script_params={"--epochs": epochs},
            )
            pulumi.export(f"status-{epochs}", run.get_details()["status"])
            pulumi.export(f"files-{epochs}", run.get_file_names())
            with pytest.raises(training.TrainingError, match="pulumi up"):
                run.wait_for_completion()

    stack = desk.lab.stack(program)
    outputs = stack.up().succeeded().result.outputs
    assert outputs["status-1"].value == outputs["status-2"].value == "Completed"
    assert outputs["files-2"].value == ["outputs/model.txt"]
    names = {r["urn"].rpartition("::")[2] for r in stack.resources() if "TrainingJob" in r["type"]}
    assert names == {"digits", "digits-2"}
    assert len(desk.experiment.get_runs()) == 0
    assert len(training.Experiment(desk.workspace, "digits").get_runs()) == 2
