"""What estimators declare: the SDK's names, first and last, as the parameters of one TrainingJob."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mock_program import Declared, Secret

import pulumi_training as training
from pulumi_training import local as target
from pulumi_training.resources.training_job import wire_inputs
from pulumi_training.spec.advice import idle_gpus
from pulumi_training.spec.reading import read_job

Declare = Callable[..., Declared]


def cluster(**counts: int) -> target.ComputeCluster:
    lab = target.Workspace("lab")
    return target.ComputeCluster("cpu", workspace=lab, **{"max_nodes": 4, "slots_per_node": 4, **counts})


def wire(estimator: training.Estimator) -> dict[str, Any]:
    """What it would send, without a program around it."""
    return wire_inputs({"compute": cluster(), **estimator.parameters})


def refused(make: Callable[[], Any]) -> tuple[str, str]:
    with pytest.raises(training.SpecError) as caught:
        make()
    return caught.value.problems[0].path, caught.value.problems[0].message


def test_the_pages_first_sample_is_a_job(declare: Declare) -> None:
    def program() -> None:
        lab = target.Workspace("lab")
        data = target.Datastore("digits", workspace=lab, source="./data")
        estimator = training.Estimator(
            source_directory="./my-project",
            script_params={"--data-folder": data.as_mount(), "--regularization": 0.8},
            compute_target=target.ComputeCluster("cpu", workspace=lab),
            entry_script="train.py",
            conda_packages=["scikit-learn"],
        )
        estimator.declare("fit")

    job = declare(program).job()
    assert job["sourceDirectory"] == "./my-project"
    assert job["arguments"] == ["--data-folder", "${data.digits}", "--regularization", "0.8"]
    assert job["environment"] == {"condaPackages": ["scikit-learn"]}
    assert read_job(job)[1] == []


def test_the_pages_second_sample_is_a_job() -> None:
    job = wire(
        training.Estimator(
            source_directory="./my-cntk-proj",
            entry_script="train.py",
            node_count=2,
            process_count_per_node=1,
            distributed_backend="MPI",
            pip_packages=["cntk==2.5.1"],
            custom_docker_base_image="microsoft/mmlspark:0.12",
        )
    )
    assert job["nodeCount"] == 2
    assert job["processCountPerNode"] == 1
    assert job["distributedBackend"] == "mpi"
    assert job["environment"] == {"pipPackages": ["cntk==2.5.1"], "image": "microsoft/mmlspark:0.12"}


@pytest.mark.parametrize(
    ("first", "last", "value"),
    [
        ("custom_docker_base_image", "custom_docker_image", "a"),
        ("conda_dependencies_file_path", "conda_dependencies_file", "c.yml"),
        ("pip_requirements_file_path", "pip_requirements_file", "r.txt"),
        ("environment_definition", "environment", {"pip_packages": ["numpy"]}),
    ],
)
def test_first_and_last_names_mean_the_same_and_are_given_once(first: str, last: str, value: Any) -> None:
    one, other = (training.Estimator(**{name: value}) for name in (first, last))
    assert one.parameters == other.parameters
    _, words = refused(lambda: training.Estimator(**{first: value, last: value}))
    assert first in words or last in words


def test_an_empty_script_param_is_a_flag_as_on_the_page() -> None:
    estimator = training.Estimator(
        entry_script="t.py", script_params={"--flag": "", "--none": None, "--many": ["a", "", 2], "--zero": 0}
    )
    assert wire(estimator)["arguments"] == ["--flag", "--none", "--many", "a", "2", "--zero", "0"]


@pytest.mark.parametrize(
    ("make", "path", "words"),
    [
        (lambda: training.Estimator(vm_size="STANDARD_D2"), "vmSize", "ComputeCluster"),
        (lambda: training.Estimator(compute_target="local"), "compute", "ComputeCluster"),
        (lambda: training.Estimator(use_docker=False, custom_docker_image="a"), "useDocker", "leave one"),
        (
            lambda: training.Estimator(source_directory_data_store="x"),
            "sourceDirectoryDataStore",
            "leave it out",
        ),
        (lambda: training.Estimator(node_cnt=2), "node_cnt", "did you mean node_count?"),
        (lambda: training.Estimator(distributed_training="mpi"), "distributedTraining", "Mpi("),
        (lambda: training.Estimator(distributed_training=training.Mpi), "distributedTraining", "Mpi("),
        (
            lambda: training.Estimator(distributed_backend="gloo", distributed_training=training.Mpi()),
            "distributedBackend",
            "give it once",
        ),
        (
            lambda: training.Estimator(process_count_per_node=3, distributed_training=training.Mpi(2)),
            "processCountPerNode",
            "give it once",
        ),
        (lambda: training.SKLearn(node_count=2), "node_count", "one process"),
        (lambda: training.PyTorch(distributed_backend="ps"), "distributedBackend", "PyTorch"),
        (lambda: training.TensorFlow(distributed_backend="nccl"), "distributedBackend", "TensorFlow"),
        (lambda: training.TensorFlow(distributed_backend="mpi", worker_count=2), "workerCount", "'ps'"),
        (
            lambda: training.PyTorch(framework_version="2.1", custom_docker_image="a"),
            "frameworkVersion",
            "leave it out",
        ),
        (
            lambda: training.ScriptRunConfig(
                ".", "t.py", distributed_job_config=training.PyTorchConfiguration("Gloo", 5, 2)
            ),
            "processCountPerNode",
            "4 or 6",
        ),
        (
            lambda: training.ScriptRunConfig(".", "t.py", docker_runtime_config={}),
            "dockerRuntimeConfig",
            "shm_size",
        ),
    ],
)
def test_contradictions_are_said_clearly(make: Callable[[], Any], path: str, words: str) -> None:
    found, message = refused(make)
    assert found == path
    assert words in message


@pytest.mark.parametrize(
    ("config", "nodes", "per_node", "backend"),
    [
        (training.Mpi(process_count_per_node=3), None, 3, "mpi"),
        (training.MpiConfiguration(process_count_per_node=2, node_count=4), 4, 2, "mpi"),
        (training.PyTorchConfiguration("Gloo", process_count=4, node_count=2), 2, 2, "gloo"),
        (training.PyTorchConfiguration("Nccl", node_count=2), 2, 1, "nccl"),
        (training.TensorflowConfiguration(3, 1, node_count=2), 2, 2, "tensorflow"),
        (training.ParameterServer(2, 1), None, 3, "tensorflow"),
        (training.Gloo(), None, None, "gloo"),
        (training.Nccl(), None, None, "nccl"),
    ],
)
def test_topologies_process_count_is_total_for_pytorch_and_per_node_for_mpi(
    config: Any, nodes: int | None, per_node: int | None, backend: str
) -> None:
    job = wire(training.Estimator(entry_script="t.py", distributed_training=config))
    assert (job.get("nodeCount"), job.get("processCountPerNode"), job["distributedBackend"]) == (
        nodes,
        per_node,
        backend,
    )


def test_the_estimators_own_processes_stand_beside_a_bare_mpi() -> None:
    job = wire(training.Estimator(process_count_per_node=4, distributed_training=training.Mpi()))
    assert job["processCountPerNode"] == 4


def test_frameworks_bring_their_package_unless_something_else_does() -> None:
    def packages(estimator: training.Estimator) -> Any:
        return wire(estimator).get("environment", {}).get("pipPackages")

    assert packages(training.PyTorch(pip_packages=["torchvision"])) == ["torch", "torchvision"]
    assert packages(training.PyTorch(pip_packages=["torch==2.1"])) == ["torch==2.1"]
    assert packages(training.PyTorch(framework_version="2.4")) == ["torch==2.4"]
    assert packages(training.SKLearn()) == ["scikit-learn"]
    assert packages(training.TensorFlow(custom_docker_image="tensorflow/tensorflow")) is None
    assert packages(training.PyTorch(environment_definition={"pip_packages": ["numpy"]})) == ["numpy"]


def test_tensorflow_workers_and_servers_are_all_processes() -> None:
    job = wire(
        training.TensorFlow(entry_script="t.py", node_count=2, worker_count=3, distributed_backend="ps")
    )
    assert (job["workerCount"], job["parameterServerCount"]) == (3, 1)
    assert (job["nodeCount"], job["processCountPerNode"]) == (2, 2)
    assert read_job(job)[1] == []


def test_nothing_is_validated_twice_the_jobs_check_finds_the_rest() -> None:
    job = wire(training.Estimator(node_count=9, conda_packages=["a"], environment_definition=None))
    assert {problem.path for problem in read_job(job)[1]} == {
        "entryScript",
        "nodeCount",
        "distributedBackend",
    }


def test_an_environment_beside_packages_is_refused() -> None:
    def make() -> Any:
        return wire(training.Estimator(environment_definition={"pip_packages": ["a"]}, conda_packages=["b"]))

    assert refused(make) == (
        "environment",
        "is given beside condaPackages; put those into it, or leave it out",
    )


def test_an_environment_beside_an_image_is_refused() -> None:
    def make() -> Any:
        return wire(
            training.Estimator(
                environment_definition={"pip_packages": ["a"]}, custom_docker_base_image="mine:1"
            )
        )

    assert refused(make) == (
        "environment",
        "is given beside customDockerImage; put those into it, or leave it out",
    )


def test_a_script_run_config_is_the_same_job() -> None:
    config = training.ScriptRunConfig(
        "./src", "train.py", ["--epochs", 5], environment={"pip_packages": ["numpy"]}
    )
    job = wire(config)
    assert job["entryScript"] == "train.py"
    assert job["arguments"] == ["--epochs", "5"]
    assert job["environment"] == {"pipPackages": ["numpy"]}
    command = training.ScriptRunConfig(".", command=["python", "a b.py"])
    assert wire(command)["command"] == "python 'a b.py'"


def test_a_registrys_password_is_secret(declare: Declare) -> None:
    registry = training.ContainerRegistry("registry.example.com", "me", "hidden")
    estimator = training.Estimator(custom_docker_image="a", image_registry_details=registry)
    job = declare(lambda: estimator.declare("fit") and None).job()
    assert job["environment"] == Secret(
        {
            "image": "a",
            "imageRegistry": {"address": "registry.example.com", "username": "me", "password": "hidden"},
        }
    )


def test_components_are_plain_references_where_no_program_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Folders among them are those of where the notebook stands now."""
    monkeypatch.chdir(tmp_path)
    lab = target.Workspace("lab", store="./records")
    data = target.Datastore("digits", workspace=lab, source="./data")
    assert cluster().ref == {
        "target": "local", "workspace": "lab", "store": str(tmp_path / ".training/lab"), "cluster": "cpu",
        "maxNodes": 4, "slotsPerNode": 4, "gpusPerNode": 0,
    }  # fmt: skip
    assert lab.ref == {"target": "local", "workspace": "lab", "store": str(tmp_path / "records")}
    assert data.path("train").as_download().to_wire() == {"uri": "./data/train", "mode": "download"}
    assert data.path("/train").as_download().to_wire()["uri"] == "./data/train"
    assert data.path().as_mount().to_wire() == data.as_mount().to_wire()
    for wrong in ("../..", "a/../../b", 3):
        with pytest.raises(training.SpecError, match="is no path inside the datastore"):
            data.path(wrong)  # type: ignore[arg-type]


def test_parameters_can_be_added_to_an_estimator() -> None:
    first = training.PyTorch(entry_script="t.py")
    second = first.with_parameters(tags={"a": "b"})
    assert "tags" not in first.parameters
    assert second.parameters["tags"] == {"a": "b"}
    assert isinstance(second, training.PyTorch)


@pytest.mark.parametrize(
    ("job", "idle"),
    [
        ({"useGpu": True, "compute": {"gpusPerNode": 2}, "nodeCount": 2}, "2 of 4 GPUs would be idle"),
        (
            {"distributedBackend": "nccl", "compute": {"gpusPerNode": 4}, "processCountPerNode": 3},
            "1 of 4 GPUs",
        ),
        ({"useGpu": True, "compute": {"gpusPerNode": 2}, "processCountPerNode": 2}, None),
        ({"compute": {"gpusPerNode": 2}}, None),
        ({"useGpu": True, "compute": None}, None),
    ],
)
def test_idle_gpus_are_said_with_the_numbers(job: dict[str, Any], idle: str | None) -> None:
    words = idle_gpus(job)
    assert (words is None) if idle is None else (words is not None and idle in words)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: training.PyTorch("./src", entry_script="a.py", pip_packages="numpy"),
            "pip_packages is a str; give a list",
        ),
        (lambda: training.ScriptRunConfig("./src", "a.py", "--lr 0.1"), "arguments is a str; give a list"),
        (
            lambda: training.ScriptRunConfig("./src", "a.py", {"--lr": 0.1}),
            "arguments is a dict; give a list",
        ),
        (
            lambda: training.ScriptRunConfig("./src", command=["python", "a.py", digits().as_mount()]),
            "command digits is data, which a list of words has no place for",
        ),
        (
            lambda: training.Estimator("./src", entry_script="a.py", compute_target=target.Workspace("lab")),
            "compute a Workspace runs nothing; pass a ComputeCluster of it",
        ),
    ],
)
def test_what_is_no_list_and_no_cluster_is_refused(make: Callable[[], Any], words: str) -> None:
    assert " ".join(refused(make)).startswith(words)


def digits() -> target.Datastore:
    return target.Datastore("digits", workspace=target.Workspace("lab"), source="./data")


def test_arguments_that_are_one_text_are_refused_in_a_job_too() -> None:
    with pytest.raises(training.SpecError, match="arguments: is a str; give a list"):
        wire(training.Estimator("./src", entry_script="a.py", arguments="--lr 0.1"))


def test_a_variable_without_a_value_is_not_given() -> None:
    estimator = training.Estimator("./src", entry_script="a.py", environment_variables={"A": None, "B": 1})
    assert wire(estimator)["environmentVariables"] == {"B": "1"}
