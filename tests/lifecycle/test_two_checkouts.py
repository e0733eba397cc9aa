"""Two checkouts of one program, each with a store of its own: equal run ids, and nothing of the other's is touched."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import daemon
import psutil
import pytest
from lab import Lab, eventually
from sandbox import Engine, make_sandbox

from pulumi_training import docker as containers
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


@pytest.mark.parametrize("environment", ["built by the run", "there before"])
def test_all_processes_of_a_run_bear_its_stores_identity(lab: Lab, environment: str, tmp_path: Path) -> None:
    lab.write(WAITS)
    if environment == "built by the run":
        kept = {**lab.sandbox.environment, "TRAINING_CACHE_DIR": str(tmp_path / "cache")}
        lab.sandbox = replace(lab.sandbox, environment=kept)
    lab.cluster = {"slots_per_node": 2}
    lab.settings = {"process_count_per_node": 2, "distributed_backend": "gloo"}
    with ups(lab) as pool:
        live = pool.submit(lab.stack().up)
        eventually(lambda: is_running(lab), "a script of its runs")
        found = document(lab)
        eventually(lambda: len(marked(found)) >= 6, "agent, mpirun, two wrappers, two scripts")
        (request,) = lab.store.glob("runs/*/attempts/1/launch/launch.json")
        assert json.loads(request.read_text())["store"] == found["store_identity"]
        bearing = {process.pid for process in marked(found)}
        of_run = {
            process.pid
            for (run_id, *_), each in processes.find_all().items()
            if run_id == found["run_id"]
            for process in each
        }
        go(lab)
        live.result().succeeded()
    assert bearing == of_run and len(bearing) >= 6


IN_CONTAINER = """
    import time
    print("runs", flush=True)
    while not os.path.exists("/tmp/go"):
        time.sleep(0.05)
"""


@pytest.mark.docker
@pytest.mark.timeout(300)
def test_two_dev_stacks_on_one_daemon_have_containers_of_their_own(checkouts: tuple[Lab, Lab]) -> None:
    daemon.base_image()
    bundle = os.environ.get("SSL_CERT_FILE")
    for lab in checkouts:
        lab.write(IN_CONTAINER)
        lab.settings["environment"] = {"image": daemon.BASE, **({"caBundle": bundle} if bundle else {})}
    first, second = (lab.stack(in_containers(lab)) for lab in checkouts)
    client = daemon.connect()
    try:
        with ThreadPoolExecutor(2) as pool:
            one = pool.submit(first.up)
            (mine,) = eventually(
                lambda: containers_of(client, checkouts[0]), "the first one's container", 150
            )
            two = pool.submit(second.up)
            (theirs,) = eventually(
                lambda: containers_of(client, checkouts[1]), "the second one's container", 150
            )
            assert mine.name != theirs.name
            assert mine.labels["training.run-id"] == theirs.labels["training.run-id"]
            eventually(lambda: has_printed(checkouts[1]), "its script runs")
            theirs.exec_run(["touch", "/tmp/go"])
            two.result().succeeded()
            second.destroy().succeeded()
            mine.reload()
            assert mine.status == "running", "the other one's destroy is not its own"
            assert document(checkouts[0])["status"] == "Running"
            mine.exec_run(["touch", "/tmp/go"])
            one.result().succeeded()
        assert [document(lab)["outcome"]["reason"] for lab in checkouts] == ["Completed"] * 2
        first.destroy().succeeded()
        assert [containers_of(client, lab) for lab in checkouts] == [[], []]
    finally:
        client.close()


def in_containers(lab: Lab) -> Callable[[], None]:
    def declare() -> None:
        lab.job(
            "fit", containers.ComputeCluster("cpu", workspace=containers.Workspace("lab"), slots_per_node=2)
        )

    return declare


def has_printed(lab: Lab) -> bool:
    return any("runs" in path.read_text() for path in lab.store.glob("runs/*/attempts/1/logs/std/rank-0.log"))


def containers_of(client: Any, lab: Lab) -> list[Any]:
    """The running containers that were started for a checkout's store."""
    found = client.containers.list(filters={"label": "training.run-id"})
    return [each for each in found if each.labels["training.folder"].startswith(str(lab.store))]
