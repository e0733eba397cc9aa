"""Jobs that are not waited for: started, refreshed, stopped; and refresh of jobs whose surroundings are gone."""

from __future__ import annotations

import shutil
from pathlib import Path

import psutil
import pytest
from lab import Lab, eventually, new_lab, reasons, said
from sandbox import Sandbox

pytestmark = pytest.mark.engine

WAITS = """
    import pathlib, time
    while not pathlib.Path(os.environ["GO"]).exists():
        time.sleep(0.05)
    report(accuracy=0.9)
"""


@pytest.fixture
def waiting(lab: Lab) -> Lab:
    """A lab whose script goes on until `go` is there."""
    lab.write(WAITS)
    lab.settings = {"environment_variables": {"GO": str(lab.folder / "go")}, "wait": False}
    return lab


def test_a_job_that_is_not_waited_for_is_brought_up_to_date_by_refresh(waiting: Lab) -> None:
    stack = waiting.stack()
    assert stack.up().succeeded().result.outputs["status"].value not in ("Completed", "Failed")
    eventually(lambda: waiting.attempts()[0]["status"] == "Running", "the job runs")
    stack.refresh().succeeded()
    assert waiting.job_state(stack)["outputs"]["status"] == "Running"
    assert stack.preview().succeeded().steps()["fit"] == "same"

    (waiting.folder / "go").touch()
    eventually(lambda: waiting.attempts()[0]["status"] == "Completed", "the job ends")
    stack.refresh().succeeded()
    outputs = waiting.job_state(stack)["outputs"]
    assert outputs["status"] == "Completed"
    assert outputs["metrics"] == {"accuracy": 0.9}
    assert stack.up().succeeded().steps()["fit"] == "same"
    assert len(waiting.attempts()) == 1


def test_destroy_of_a_running_job_stops_it(waiting: Lab) -> None:
    stack = waiting.stack()
    stack.up().succeeded()
    eventually(lambda: waiting.attempts()[0]["status"] == "Running", "the job runs")
    stack.destroy().succeeded()
    eventually(waiting.is_quiet, "every process of the run ended")
    assert [a["status"] for a in waiting.attempts()] == ["Canceled"]


def test_a_changed_job_stops_the_live_run_that_it_replaces(waiting: Lab) -> None:
    stack = waiting.stack()
    first = stack.up().succeeded().result.outputs["run_id"].value
    eventually(lambda: waiting.attempts()[0]["status"] == "Running", "the job runs")
    waiting.write("print('no need to wait')")
    waiting.settings["wait"] = True
    second = stack.up().succeeded().result.outputs
    assert second["status"].value == "Completed"
    assert waiting.attempts(first)[0]["status"] == "Canceled"


def test_refresh_of_a_finished_job_is_answered_from_its_record(sandbox: Sandbox, tmp_path: Path) -> None:
    cache = tmp_path / "own-cache"
    lab = new_lab(sandbox, cache)
    lab.write("report(accuracy=0.9)")
    stack = lab.stack()
    stack.up().succeeded()
    before = lab.job_state(stack)["outputs"]
    shutil.rmtree(cache)
    shutil.rmtree(tmp_path / "training-state", ignore_errors=True)
    refreshed = stack.refresh().succeeded()
    assert refreshed.steps()["fit"] in ("refresh", "same")
    assert lab.job_state(stack)["outputs"] == before
    assert stack.preview().succeeded().steps()["fit"] == "same"


def test_refresh_keeps_a_failed_job_failed(lab: Lab) -> None:
    lab.write("raise SystemExit(3)")
    stack = lab.stack()
    assert "exited with code 3" in reasons(stack.up())
    refreshed = stack.refresh()
    state = lab.job_state(stack)
    assert "exited with code 3" in said(refreshed)
    assert state["outputs"]["status"] == "Failed"
    assert state["initErrors"]
    assert "will start attempt 2" in said(stack.preview())


def test_a_record_that_was_removed_makes_refresh_drop_the_job(lab: Lab) -> None:
    stack = lab.stack()
    stack.up().succeeded()
    shutil.rmtree(lab.store)
    stack.refresh().succeeded()
    assert not [r for r in stack.resources() if "TrainingJob" in r["urn"]]


def test_the_next_up_has_a_run_settled_whose_owner_died(lab: Lab) -> None:
    """As an upgrade under it ends one of an earlier version; nothing in the program changed."""
    go = lab.folder / "go"
    lab.write(
        "import pathlib, time\nwhile not pathlib.Path(os.environ['GO']).exists():\n    time.sleep(0.05)\n"
        "open('outputs/model.txt', 'w').write('weights')"
    )
    lab.settings = {"wait": False, "environment_variables": {"GO": str(go)}}
    stack = lab.stack()
    stack.up().succeeded()
    document = eventually(
        lambda: next((d for d in lab.attempts() if d["status"] == "Running" and d.get("supervisor")), None),
        "it runs",
    )
    owner = psutil.Process(document["supervisor"]["pid"])
    owner.kill()
    go.touch()
    eventually(lambda: not owner.is_running() or owner.status() == psutil.STATUS_ZOMBIE, "its owner is gone")
    assert stack.up().succeeded().steps()["fit"] == "same"
    eventually(lambda: lab.attempts()[-1]["status"] == "Completed", "the run is settled")
    assert len(lab.attempts()) == 1
