"""Plans of containers: pure, whole, and without a secret."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pulumi_training.driver.request import recorded
from pulumi_training.spec.errors import SpecError
from pulumi_training.spec.job import JobSpec
from pulumi_training.targets.contract.plan import Plan
from pulumi_training.targets.contract.run import Prepared, RunSpec
from pulumi_training.targets.docker.plan import plan

PREPARED = Prepared(
    {
        "image": "sha256:1234",
        "python": "/opt/venv/bin/python",
        "path": "/usr/bin:/bin",
        "cores": "8",
        "mpirun": "/opt/venv/bin/mpirun",
        "mpi": "openmpi5",
        "data.digits": "/home/me/digits",
    }
)
COMPUTE = {"target": "docker", "workspace": "lab", "store": "s", "maxNodes": 4, "slotsPerNode": 4}


def run_of(tmp_path: Path, resume_from: str | None = None, **job: Any) -> RunSpec:
    fields = {"entryScript": "train.py", "compute": COMPUTE, **job}
    spec = JobSpec.model_validate(fields)
    secrets = spec.secret_environment_variables
    return RunSpec("fit-1", 2, recorded(spec), tmp_path, tmp_path, secrets, resume_from, owner="urn:me")


def test_two_nodes_have_a_network_a_container_and_a_volume_each(tmp_path: Path) -> None:
    made = plan(run_of(tmp_path, nodeCount=2, processCountPerNode=2, distributedBackend="mpi"), PREPARED)
    assert made.is_complete and made.slots == 4 and made.summary == "2 nodes × 2 processes in 2 containers"
    request = made.request
    assert request["network"] == "fit-1-a2" and request["image"] == "sha256:1234"
    assert [node["name"] for node in request["nodes"]] == ["fit-1-a2-0", "fit-1-a2-1"]
    launch = request["launch"]
    assert launch["hosts"] == ["node-0", "node-1"] and launch["master_addr"] == "node-0"
    assert "node-0:2,node-1:2" in launch["launcher"] and launch["slots_cores"] == 2
    assert request["environment"] == {"PATH": "/opt/venv/bin:/usr/bin:/bin"}
    assert Plan.from_json(json.loads(json.dumps(made.to_json()))) == made


def test_one_node_needs_no_network_of_its_own(tmp_path: Path) -> None:
    made = plan(run_of(tmp_path), PREPARED)
    assert made.request["network"] is None and made.request["launch"]["hosts"] == ["localhost"]
    assert made.summary == "1 process in a container" and made.request["launch"]["launcher"] is None


def test_an_unprepared_plan_says_what_is_not_known_yet(tmp_path: Path) -> None:
    inputs = {"digits": {"uri": "./digits"}}
    run = run_of(tmp_path, inputs=inputs, nodeCount=2, distributedBackend="gloo")
    sketch = plan(run, None)
    assert not sketch.is_complete
    assert sketch.request["launch"]["environment"]["TRAINING_DATA_DIGITS"] == "/training/data/digits"


def test_data_comes_by_copy_or_by_mount(tmp_path: Path) -> None:
    run = run_of(
        tmp_path,
        resume_from="/store/outputs",
        arguments=["--data", "${data.digits}", "--big", "${data.big}/train"],
        inputs={
            "digits": {"uri": "./digits", "pathOnCompute": "data/digits"},
            "big": {"uri": "volume://big/part"},
            "disk": {"uri": "host:///srv/data", "pathOnCompute": "disk"},
        },
        outputs={"model": {"uri": "s3://bucket/m"}, "shared": {"uri": "volume://models", "mode": "mount"}},
    )
    request = plan(run, PREPARED).request
    assert request["copies"] == [
        {"from": "/home/me/digits", "to": "/training/run/code/data/digits"},
        {"from": "/store/outputs", "to": "/training/resume"},
    ]
    assert request["launch"]["script"][-4:] == [
        "--data", "/training/run/code/data/digits", "--big", "/training-data/big/part/train"
    ]  # fmt: skip
    assert [(m["Type"], m["Source"], m["Target"], m["ReadOnly"]) for m in request["mounts"]] == [
        ("volume", "big", "/training-data/big", True),
        ("bind", "/srv/data", "/training-data/disk", True),
        ("volume", "models", "/training-data/shared", False),
    ]
    assert request["links"] == {"/training/run/code/disk": "/training-data/disk"}
    assert request["folders"] == ["/training/run/code/.training/outputs/model"]
    assert request["launch"]["environment"]["TRAINING_RESUME_FROM"] == "/training/resume"


@pytest.mark.parametrize("path", ["/abs", "../up", "a/../../b", "."])
def test_a_place_outside_of_the_scripts_folder_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(SpecError) as error:
        plan(run_of(tmp_path, inputs={"d": {"uri": "./d", "pathOnCompute": path}}), PREPARED)
    assert error.value.problems[0].path == "inputs.d.pathOnCompute"


def test_what_is_mounted_cannot_be_downloaded(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="as_mount"):
        plan(run_of(tmp_path, inputs={"d": {"uri": "volume://d", "mode": "download"}}), PREPARED)


def test_gpus_are_numbered_inside_each_container(tmp_path: Path) -> None:
    compute = {**COMPUTE, "gpusPerNode": 4}
    run = run_of(
        tmp_path, compute=compute, useGpu=True, nodeCount=2, processCountPerNode=2, distributedBackend="nccl"
    )
    made = plan(run, PREPARED)
    assert made.gpus == 8 and made.request["launch"]["gpus"] == [[0, 1], [2, 3]]


def test_a_limit_of_cores_is_shared_by_the_processes_of_a_node(tmp_path: Path) -> None:
    compute = {**COMPUTE, "settings": {"cpus": "4"}}
    run = run_of(tmp_path, compute=compute, nodeCount=2, processCountPerNode=2, distributedBackend="gloo")
    assert plan(run, PREPARED).request["launch"]["slots_cores"] == 2


def test_no_secret_is_in_a_plan(tmp_path: Path) -> None:
    run = run_of(
        tmp_path,
        nodeCount=2,
        distributedBackend="gloo",
        secretEnvironmentVariables={"TOKEN": "very-secret"},
    )
    made = plan(run, PREPARED)
    assert "very-secret" not in json.dumps(made.to_json())
    launcher = made.request["launch"]["launcher"]
    assert launcher[launcher.index("TOKEN") - 1] == "-x"
