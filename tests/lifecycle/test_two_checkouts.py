"""Two checkouts of one program, each with a store of its own: equal run ids, and nothing of the other's is touched."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from lab import Lab, eventually
from sandbox import Engine, make_sandbox

from pulumi_training.agent.marks import Marks
from pulumi_training.targets.local import processes

pytestmark = pytest.mark.engine

WAITS = """
    import time
    open("outputs/model", "w").write(os.getcwd())
    while not os.path.exists(os.path.join(os.environ["TRAINING_OUTPUT_DIR"], "../../../../../../../go")):
        time.sleep(0.02)
"""


@pytest.fixture
def checkouts(lab: Lab, engine: Engine, tmp_path: Path) -> tuple[Lab, Lab]:
    """The same program twice, by one user on one machine; each has a state backend of its own."""
    other = tmp_path / "other"
    other.mkdir()
    own = make_sandbox(other, engine).environment
    kept = {name: own[name] for name in ("PULUMI_HOME", "PULUMI_BACKEND_URL")}
    folder = other / "program"
    folder.mkdir()
    twin = Lab(replace(lab.sandbox, environment={**lab.sandbox.environment, **kept}), folder)
    for each in (lab, twin):
        each.write(WAITS)
    return lab, twin


def go(lab: Lab) -> None:
    (lab.folder / "go").touch()


def is_running(lab: Lab) -> bool:
    return any(lab.store.glob("runs/*/attempts/1/outputs/model"))


def document(lab: Lab) -> dict[str, Any]:
    (found,) = lab.attempts()
    return found


def ups(*labs: Lab) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(len(labs))


def test_both_complete_under_one_run_id(checkouts: tuple[Lab, Lab]) -> None:
    first, second = checkouts
    with ups(*checkouts) as pool:
        one = pool.submit(first.stack().up)
        eventually(lambda: is_running(first), "the first one's script runs")
        two = pool.submit(second.stack().up)
        eventually(lambda: is_running(second), "the second one's script runs, beside it")
        go(second)
        two.result().succeeded()
        assert document(first)["status"] == "Running", "the other one's end is not its own"
        go(first)
        one.result().succeeded()
    ended = [document(lab) for lab in checkouts]
    assert ended[0]["run_id"] == ended[1]["run_id"], "ids come from names"
    assert ended[0]["store_identity"] != ended[1]["store_identity"]
    for lab, found in zip(checkouts, ended, strict=True):
        assert found["outcome"]["reason"] == "Completed"
        (model,) = lab.store.glob("runs/*/attempts/1/outputs/model")
        assert Path(model.read_text()).is_relative_to(lab.store)


def test_destroying_one_leaves_the_others_live_run_alone(checkouts: tuple[Lab, Lab]) -> None:
    first, second = checkouts
    go(first)
    finished = first.stack()
    finished.up().succeeded()
    with ups(second) as pool:
        live = pool.submit(second.stack().up)
        eventually(lambda: is_running(second), "its script runs")
        before = marked(document(second))
        assert len(before) >= 3
        finished.destroy().succeeded()
        assert [process.pid for process in marked(document(second))] == [process.pid for process in before]
        go(second)
        live.result().succeeded()
    assert document(second)["outcome"]["reason"] == "Completed"


def marked(attempt: dict[str, Any]) -> list[psutil.Process]:
    """The processes of an attempt: the agent, the rank's wrapper, its script."""
    folder = attempt["handle"]["folder"]
    return processes.find(Marks(attempt["run_id"], 1, attempt["store_identity"], folder))


def test_all_processes_of_a_run_bear_its_stores_identity(lab: Lab) -> None:
    lab.write(WAITS)
    lab.cluster = {"slots_per_node": 2}
    lab.settings = {"process_count_per_node": 2, "distributed_backend": "gloo"}
    with ups(lab) as pool:
        live = pool.submit(lab.stack().up)
        eventually(lambda: is_running(lab), "its scripts run")
        found = document(lab)
        bearing = {process.pid for process in marked(found)}
        of_run = {
            process.pid
            for (run_id, *_), each in processes.find_all().items()
            if run_id == found["run_id"]
            for process in each
        }
        go(lab)
        live.result().succeeded()
    assert bearing == of_run and len(bearing) >= 6, "agent, mpirun, two wrappers, two scripts"
