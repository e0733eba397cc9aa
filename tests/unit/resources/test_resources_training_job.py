"""What a `TrainingJob` declares, as it crosses the wire."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pulumi
import pytest
from mock_program import Declared, Secret

import pulumi_training as training
from pulumi_training import local as target
from pulumi_training.spec.data import substitute
from pulumi_training.spec.errors import SpecError
from pulumi_training.spec.reading import read_job

Declare = Callable[..., Declared]


def job(declare: Declare, **parameters: Any) -> dict[str, Any]:
    """The wire inputs of a job of these parameters; a callable one is given its datastore."""

    def program() -> None:
        lab = target.Workspace("lab")
        digits = target.Datastore("digits", workspace=lab, source="./data")
        cluster = target.ComputeCluster("cpu", workspace=lab, max_nodes=2, slots_per_node=2)
        given = {n: v(digits) if callable(v) else v for n, v in parameters.items()}
        training.TrainingJob("fit", **{"compute": cluster, "entry_script": "train.py", **given})

    return declare(program).job()


def test_the_wire_is_flat_and_valid(declare: Declare) -> None:
    wire = job(declare, node_count=2, process_count_per_node=2, distributed_backend="mpi", tags={"a": "b"})
    assert wire == {
        "entryScript": "train.py",
        "nodeCount": 2,
        "processCountPerNode": 2,
        "distributedBackend": "mpi",
        "tags": {"a": "b"},
        "compute": {
            "target": "local",
            "workspace": "lab",
            "store": "./.training/lab",
            "cluster": "cpu",
            "maxNodes": 2,
            "slotsPerNode": 2,
            "gpusPerNode": 0,
        },
    }
    assert not read_job(wire)[1]


def test_every_parameter_reaches_the_wire_under_its_name(declare: Declare) -> None:
    wire = job(
        declare,
        source_directory="./src",
        python_version="3.11",
        pip_packages=["numpy"],
        conda_fallback="error",
        environment_variables={"A": 1.0, "B": True},
        max_run_duration_seconds=60,
        queue_timeout_seconds=5,
        stall_timeout_seconds=6,
        grace_period_seconds=7,
        retries={"max_attempts": 3, "on": ["node_lost"], "backoff_seconds": 1},
        rerun_failed="on_change",
        expect={"accuracy": ">=0.9"},
        triggers=[1, 2.5, "x"],
        wait=False,
        on_cancel="stop",
        purge_on_delete=True,
        experiment_name="e",
        source_digest="sha256:1",
        name="other",
    )
    found, problems = read_job(wire)
    assert not problems
    assert wire["retries"] == {"maxAttempts": 3, "on": ["node_lost"], "backoffSeconds": 1}
    assert wire["environment"] == {
        "pythonVersion": "3.11",
        "pipPackages": ["numpy"],
        "condaFallback": "error",
    }
    assert wire["environmentVariables"] == {"A": "1.0", "B": "True"}
    assert wire["triggers"] == ["1", "2.5", "x"]
    assert (found.name, found.source_directory, found.wait) == ("other", "./src", False)


def test_script_params_become_an_ordered_list_of_texts(declare: Declare) -> None:
    wire = job(
        declare,
        script_params={
            "--z": 5,
            "--a": 1.0,
            "--big": 2**60 + 1,
            "--empty": "",
            "--flag": True,
            "--many": [1, "b"],
        },
        arguments=["tail", 7],
    )
    assert wire["arguments"] == [
        "--z", "5", "--a", "1.0", "--big", "1152921504606846977", "--empty", "", "--flag", "--many", "1", "b", "tail", "7",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["${data.digits}", "$${data.x}", "a ${data.nope} b", "$HOME 'x' \"y\"\n"])
def test_text_in_script_params_reaches_the_script_byte_for_byte(declare: Declare, text: str) -> None:
    wire = job(
        declare,
        script_params=lambda _: {
            "--text": text,
            text: 1,
            "--later": pulumi.Output.from_input(text),
            "--in": [text],
        },
        inputs=lambda digits: [digits.as_mount()],
    )
    assert not read_job(wire)[1]
    given = [substitute(word, {"digits": "/wrong"}) for word in wire["arguments"]]
    assert given == ["--text", text, text, "1", "--later", text, "--in", text]


def test_outputs_inside_script_params_are_flattened_when_they_are_known(declare: Declare) -> None:
    out = pulumi.Output.from_input
    wire = job(
        declare,
        script_params=lambda _: {
            "--lr": out(0.5),
            "--sizes": out([1, 2]),
            "--on": out(True),
            "--off": out(False),
            "--mixed": [out("x"), 1],
            "--last": "z",
        },
        triggers=lambda _: [out(7), "plain"],
        environment_variables=lambda _: {"LR": out(0.5)},
    )
    assert wire["arguments"] == [
        "--lr",
        "0.5",
        "--sizes",
        "1",
        "2",
        "--on",
        "--mixed",
        "x",
        "1",
        "--last",
        "z",
    ]
    assert wire["triggers"] == ["7", "plain"]
    assert wire["environmentVariables"] == {"LR": "0.5"}


@pytest.mark.parametrize("value", [{"a": 1}, {1}, b"x"])
def test_a_value_without_order_is_refused_in_the_program(declare: Declare, value: Any) -> None:
    with pytest.raises(SpecError, match=r"script_params\['--x'\]: "):
        job(declare, script_params={"--x": value})


class Opaque:
    """Has no text but its place in memory."""


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        (
            {"script_params": lambda digits: {"--data": digits}},
            "a Datastore is data without a mode; write .as_mount",
        ),
        ({"script_params": {"--x": Opaque()}}, "is no argument; give a text, a number or a path"),
        ({"script_params": {"--x": print}}, "is no argument"),
        ({"script_params": ["--x", 1]}, "script_params: is a list; give a mapping of names to values"),
        ({"arguments": [Opaque()]}, "arguments: .* is no argument"),
        ({"environment_variables": {"A": Opaque()}}, r"environment_variables\['A'\]: .* is no argument"),
        ({"environment_variables": ["A"]}, "environment_variables: is a list"),
        ({"triggers": [Opaque()]}, "triggers: .* is no argument"),
        ({"inputs": lambda digits: [digits]}, "inputs: a Datastore is no data reference"),
        ({"inputs": lambda digits: {"a": digits}}, r"inputs\['a'\]: a Datastore is no data reference"),
        ({"inputs": lambda digits: digits}, "inputs: a Datastore is no data reference"),
        ({"outputs": [1]}, "outputs: a int is no data reference"),
    ],
)
def test_what_can_be_no_value_is_refused_by_its_name(
    declare: Declare, parameters: dict[str, Any], words: str
) -> None:
    with pytest.raises(SpecError, match=words):
        job(declare, **parameters)


def test_data_in_script_params_is_an_input(declare: Declare) -> None:
    wire = job(declare, script_params=lambda digits: {"--data": digits.as_mount(fingerprint="ignored")})
    assert wire["arguments"] == ["--data", "${data.digits}"]
    assert wire["inputs"] == {"digits": {"uri": "./data", "mode": "mount", "fingerprint": "ignored"}}
    assert not read_job(wire)[1]


def test_data_that_is_written_is_an_output(declare: Declare) -> None:
    wire = job(declare, script_params=lambda digits: {"--to": digits.as_upload(path_on_compute="export")})
    assert "inputs" not in wire
    assert wire["outputs"] == {"digits": {"uri": "./data", "mode": "upload", "pathOnCompute": "export"}}


def test_the_same_data_in_two_modes_has_two_names(declare: Declare) -> None:
    wire = job(
        declare,
        script_params=lambda digits: {
            "--a": digits.as_mount(),
            "--b": digits.as_download(),
            "--c": digits.as_mount(),
            "--d": digits.path("train/images").as_mount(),
        },
    )
    assert wire["arguments"] == [
        "--a", "${data.digits}", "--b", "${data.digits-download}", "--c", "${data.digits}",
        "--d", "${data.digits-train-images}",
    ]  # fmt: skip
    assert wire["inputs"]["digits-train-images"]["uri"] == "./data/train/images"
    assert not read_job(wire)[1]


def test_inputs_by_name(declare: Declare) -> None:
    wire = job(
        declare,
        inputs=lambda digits: {
            "train": digits.as_download(),
            "raw": {"uri": "s3://b/x", "path_on_compute": "raw"},
            "short": "./more",
        },
        arguments=["${data.train}", "${data.raw}"],
    )
    assert wire["inputs"] == {
        "train": {"uri": "./data", "mode": "download"},
        "raw": {"uri": "s3://b/x", "pathOnCompute": "raw"},
        "short": {"uri": "./more"},
    }
    assert wire["arguments"] == ["${data.train}", "${data.raw}"]


def test_data_in_environment_variables(declare: Declare) -> None:
    wire = job(declare, environment_variables=lambda digits: {"DATA": digits.as_mount()})
    assert wire["environmentVariables"] == {"DATA": "${data.digits}"}
    assert "digits" in wire["inputs"]


def test_an_output_as_source_of_a_datastore(declare: Declare) -> None:
    def program() -> None:
        lab = target.Workspace("lab")
        data = target.Datastore("d", workspace=lab, source=pulumi.Output.from_input("s3://b/x"))
        training.TrainingJob(
            "fit", compute={"target": "local"}, script_params={"--d": data.path("y").as_mount()}
        )

    assert declare(program).job()["inputs"] == {"d-y": {"uri": "s3://b/x/y", "mode": "mount"}}


def test_secrets_are_marked(declare: Declare) -> None:
    wire = job(
        declare,
        secret_environment_variables={"TOKEN": "hunter2"},
        custom_docker_image="repo/image",
        image_registry_details={"address": "r", "username": "me", "password": "hunter3"},
    )
    assert wire["secretEnvironmentVariables"] == Secret({"TOKEN": "hunter2"})
    # Without output values on the wire, the SDK marks the whole property that a secret is in.
    registry = {"address": "r", "username": "me", "password": "hunter3"}
    assert wire["environment"] == Secret({"image": "repo/image", "imageRegistry": registry})


def test_an_environment_and_its_shortcuts_are_one_too_many(declare: Declare) -> None:
    with pytest.raises(training.SpecError, match=r"environment: is given beside pipPackages"):
        job(declare, environment={"pip_packages": ["numpy"]}, pip_packages=["scipy"])


def test_an_environment_in_place_takes_both_spellings(declare: Declare) -> None:
    wire = job(declare, environment={"pip_packages": ["numpy"], "pythonVersion": "3.11"})
    assert wire["environment"] == {"pipPackages": ["numpy"], "pythonVersion": "3.11"}


REF = {"id": "env-1", "digest": "d", "target": "local", "location": "/x", "spec": {}}


def test_an_environment_resource_is_passed_by_its_ref(declare: Declare) -> None:
    def program() -> None:
        shared = training.Environment("shared", pip_packages=["numpy"])
        training.TrainingJob("fit", compute={"target": "local"}, environment=shared)
        training.TrainingJob("by-ref", compute={"target": "local"}, environment=shared.ref)
        training.TrainingJob("both", compute={"target": "local"}, environment=shared, pip_packages=["scipy"])

    declared = declare(program, {("training:index:Environment", "shared"): {"ref": REF}})
    assert declared.job()["environmentRef"] == REF == declared.job("by-ref")["environmentRef"]
    assert "environment" not in declared.job()
    both = {**declared.job("both"), "entryScript": "t.py", "compute": None}
    assert "environment" in {p.path for p in read_job(both)[1]}, "the provider refuses it"


@pytest.mark.parametrize("count", [0, -1, 1.5, "two"])
def test_counts_go_to_the_provider_as_they_are(declare: Declare, count: Any) -> None:
    wire = job(declare, node_count=count)
    (problem,) = (p for p in read_job(wire)[1] if p.path == "nodeCount")
    assert "write" in problem.message


def test_outputs_have_their_python_names(declare: Declare) -> None:
    seen: dict[str, Any] = {}

    def program() -> pulumi.Output[Any]:
        fit = training.TrainingJob("fit", compute={"target": "local"})
        return pulumi.Output.all(fit.outputs_location, fit.file_count, fit.urn).apply(
            lambda values: seen.update(location=values[0], count=values[1])
        )

    declare(program, {("training:index:TrainingJob", "fit"): {"outputsLocation": "/o", "fileCount": 3}})
    assert seen == {"location": "/o", "count": 3}
