"""The rules between fields, one by one."""

from __future__ import annotations

from typing import Any

import pytest

from pulumi_training.spec.reading import read_job

COMPUTE = {
    "target": "local", "workspace": "lab", "store": "./runs", "cluster": "cpu", "maxNodes": 2, "slotsPerNode": 2,
}  # fmt: skip


def problems(**changes: Any) -> dict[str, str]:
    inputs = {"entryScript": "train.py", "compute": COMPUTE, **changes}
    _, found = read_job({n: v for n, v in inputs.items() if v is not None})
    return {p.path: p.message for p in found}


def one(path: str, **changes: Any) -> str:
    found = problems(**changes)
    assert list(found) == [path], found
    return found[path]


def test_exactly_one_thing_runs() -> None:
    assert "not both" in one("command", command="python train.py")
    assert "train.py" in one("entryScript", entryScript=None)
    assert "is empty" in one("entryScript", entryScript="  ")
    assert "is empty" in one("command", entryScript=None, command="")
    assert not problems(entryScript=None, command="python train.py")


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("my job", "my-job"),
        ("Fit", "fit"),
        ("🚀", "train"),
        ("x" * 200, "x" * 40),
        ("", "train"),
        ("-a-", "a"),
        ("größe", "gr-e"),
        ("a.b", "a-b"),
        ("a\n", "a"),
    ],
)
def test_a_name_that_cannot_be_one_gets_one_to_write(name: str, suggestion: str) -> None:
    message = one("name", name=name)
    assert f"for example {suggestion!r}" in message and len(message) < 300
    assert not problems(name=suggestion)


def test_a_place_to_run_is_needed() -> None:
    assert "ComputeCluster" in one("compute", compute=None)


@pytest.mark.parametrize("counts", [{"nodeCount": 2}, {"processCountPerNode": 2}])
def test_width_needs_a_backend(counts: dict[str, int]) -> None:
    assert "'mpi', 'gloo', 'nccl', 'tensorflow'" in one("distributedBackend", **counts)
    assert not problems(distributedBackend="mpi", **counts)


def test_a_backend_with_one_process_is_legal() -> None:
    assert not problems(distributedBackend="mpi")


def test_no_wider_than_the_cluster() -> None:
    found = problems(distributedBackend="mpi", nodeCount=3, processCountPerNode=4)
    assert found.keys() == {"nodeCount", "processCountPerNode"}
    assert found["nodeCount"] == (
        "3 nodes do not fit cluster 'cpu', which has 2; write at most 2, or raise maxNodes of the cluster"
    )
    assert "write at most 2, or raise slotsPerNode" in found["processCountPerNode"]


def test_gpus_for_every_process() -> None:
    assert "'gloo'" in one("distributedBackend", distributedBackend="nccl")
    assert "gpusPerNode" in one("useGpu", useGpu=True)
    rich = {**COMPUTE, "gpusPerNode": 1}
    assert "lower processCountPerNode" in one(
        "useGpu", useGpu=True, compute=rich, distributedBackend="nccl", processCountPerNode=2
    )
    assert not problems(useGpu=True, compute=rich, distributedBackend="nccl", nodeCount=2)


def test_tensorflow_roles_are_all_processes() -> None:
    wide = {"distributedBackend": "tensorflow", "nodeCount": 2, "processCountPerNode": 2}
    assert not problems(**wide)
    assert not problems(**wide, parameterServerCount=1)
    assert not problems(**wide, workerCount=3, parameterServerCount=1)
    assert "3 workers and 0 parameter servers" in one("workerCount", **wide, workerCount=3)
    assert "0 workers" in one("workerCount", **wide, parameterServerCount=4)
    assert "tensorflow" in one("workerCount", workerCount=1)
    assert "tensorflow" in one("parameterServerCount", parameterServerCount=1)


REF = {"id": "env-1", "digest": "d", "target": "local", "location": "/x", "spec": {"pipPackages": ["numpy"]}}


def test_one_environment() -> None:
    message = one("environment", environment={"pipPackages": ["numpy"]}, environmentRef=REF)
    assert message.startswith("pipPackages beside a full environment")
    assert "made for docker" in one("environmentRef", environmentRef={**REF, "target": "docker"})
    assert not problems(environmentRef=REF)


@pytest.mark.parametrize(
    ("environment", "path"),
    [
        ({"userManaged": True, "pipPackages": ["numpy"]}, "environment.userManaged"),
        ({"userManaged": True, "condaDependenciesFile": "e.yml"}, "environment.userManaged"),
        ({"condaDependenciesFile": "e.yml", "pipPackages": ["a"]}, "environment.condaDependenciesFile"),
        ({"condaDependenciesFile": "e.yml", "condaPackages": ["a"]}, "environment.condaDependenciesFile"),
        ({"interpreter": "/usr/bin/python3"}, "environment.interpreter"),
    ],
)
def test_an_environment_that_contradicts_itself(environment: dict[str, Any], path: str) -> None:
    assert one(path, environment=environment)


def test_an_image_and_a_dockerfile_are_two_bases() -> None:
    docker = {**COMPUTE, "target": "docker"}
    found = one("environment.image", compute=docker, environment={"image": "a", "dockerfile": "b"})
    assert "one of the two" in found


def test_variables_are_the_users_own() -> None:
    assert "set by the launch" in one("environmentVariables.RANK", environmentVariables={"RANK": "0"})
    for name in ("TRAINING_RUN_ID", "OMPI_MCA_x", "PMIX_RANK"):
        assert one(f"environmentVariables.{name}", environmentVariables={name: "0"})
        assert one(f"secretEnvironmentVariables.{name}", secretEnvironmentVariables={name: "0"})
    assert "not a variable's name" in one('environmentVariables["A=B"]', environmentVariables={"A=B": "0"})
    assert "give it once" in one(
        "environmentVariables.TOKEN",
        environmentVariables={"TOKEN": "a"},
        secretEnvironmentVariables={"TOKEN": "b"},
    )
    assert not problems(environmentVariables={"OMP_NUM_THREADS": "2"}, secretEnvironmentVariables={"T": "x"})


DATA = {"digits": {"uri": "./data"}}


def test_data_is_named_and_used_one_way() -> None:
    assert "upload is for outputs" in one("inputs.d.mode", inputs={"d": {"uri": "x", "mode": "upload"}})
    assert "download is for inputs" in one("outputs.d.mode", outputs={"d": {"uri": "x", "mode": "download"}})
    assert "name of an input too" in one("outputs.digits", inputs=DATA, outputs=DATA)
    assert "is not a name" in one('inputs["a b"]', inputs={"a b": {"uri": "x"}})


def test_references_lead_to_data() -> None:
    assert not problems(inputs=DATA, arguments=["--data", "${data.digits}/train"])
    message = one("arguments[1]", inputs=DATA, arguments=["--data", "${data.digit}"])
    assert "no input or output named 'digit'; there are digits" in message
    assert "$${data.digit}" in message
    assert not problems(arguments=["$${data.digit}", "${other}", "$data"])
    assert one("command", entryScript=None, command="python t.py ${data.x}")
    assert one("environmentVariables.D", environmentVariables={"D": "${data.x}"})


def test_a_nul_character_reaches_no_script() -> None:
    assert "NUL" in one("arguments[0]", arguments=["a\0b"])
    assert "NUL" in one("environmentVariables.A", environmentVariables={"A": "\0"})


def test_bounds_that_can_be_read() -> None:
    message = one("expect.accuracy", expect={"accuracy": "about 0.9", "loss": "<1"})
    assert "write an operator and a number" in message


def test_the_metrics_rank_exists() -> None:
    assert "ranks are 0 to 0" in one("metricsRank", metricsRank=1)
    assert not problems(metricsRank=3, distributedBackend="mpi", nodeCount=2, processCountPerNode=2)
