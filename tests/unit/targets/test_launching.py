"""The launch request is one for all places: only what the ground gives differs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pulumi_training.driver.request import recorded
from pulumi_training.launch.request import Limits
from pulumi_training.spec.job import JobSpec
from pulumi_training.targets.contract.plan import UNKNOWN_PART
from pulumi_training.targets.contract.run import RunSpec
from pulumi_training.targets.launching import Ground, gpus_of_node, launch_request

COMPUTE = {"target": "docker", "workspace": "lab", "store": "s", "maxNodes": 4, "slotsPerNode": 4}
SETTINGS = {"python": "/env/bin/python", "mpirun": "/env/bin/mpirun", "mpi": "openmpi5"}


def run_of(tmp_path: Path, **job: Any) -> RunSpec:
    spec = JobSpec.model_validate({"entryScript": "train.py", "compute": COMPUTE, **job})
    return RunSpec("fit-1", 2, recorded(spec), tmp_path, tmp_path, spec.secret_environment_variables)


def ground(**more: Any) -> Ground:
    return Ground(**{"code": "/c", "folder": "/f", "data": {}, "as_root": False, "slot_cores": 3, **more})


def test_arguments_commands_and_variables_see_the_places_of_data(tmp_path: Path) -> None:
    run = run_of(
        tmp_path,
        arguments=["--data", "${data.digits}"],
        environmentVariables={"ROOT": "${data.digits}/x"},
        inputs={"digits": {"uri": "./digits"}},
    )
    request = launch_request(run, SETTINGS, ground(data={"digits": "/data/digits"}))
    assert request.script == ["/env/bin/python", "-u", "train.py", "--data", "/data/digits"]
    assert request.environment["ROOT"] == "/data/digits/x"
    assert request.environment["TRAINING_DATA_DIGITS"] == "/data/digits"
    assert request.environment["TRAINING_OUTPUT_DIR"] == "/f/outputs"
    assert (request.launcher, request.master_addr, request.slots_cores) == (None, "127.0.0.1", 3)


def test_hosts_make_the_first_one_the_master(tmp_path: Path) -> None:
    run = run_of(tmp_path, nodeCount=2, processCountPerNode=2, distributedBackend="mpi")
    far = launch_request(run, SETTINGS, ground(hosts=["node-0", "node-1"], shell_file="/shell"))
    assert far.master_addr == "node-0" and far.environment["AZ_BATCH_MASTER_NODE"] == "node-0:29500"
    assert far.launcher is not None and "node-0:2,node-1:2" in far.launcher
    here = launch_request(run, SETTINGS, ground())
    assert here.master_addr == "127.0.0.1" and "/shell" not in str(here.launcher)


def test_limits_and_secret_names_come_from_the_job(tmp_path: Path) -> None:
    run = run_of(tmp_path, secretEnvironmentVariables={"B": "hush-1", "A": "hush-2"}, stallTimeoutSeconds=7)
    request = launch_request(run, {}, ground())
    assert request.secret_names == ["A", "B"] and request.script[0] == UNKNOWN_PART
    assert request.limits == Limits.of_job(run.document) and request.limits.stall_seconds == 7
    assert "hush" not in repr(request)


def test_gpus_are_for_jobs_that_ask(tmp_path: Path) -> None:
    compute = {**COMPUTE, "gpusPerNode": 2}
    assert gpus_of_node(run_of(tmp_path, compute=compute)) == 0
    assert gpus_of_node(run_of(tmp_path, compute=compute, useGpu=True)) == 2
