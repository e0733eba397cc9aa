"""The components of the local target and the Environment, and what importing them costs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

import pulumi
import pytest
from mock_program import Declared, Secret

import pulumi_training as training
from pulumi_training import docker
from pulumi_training import local as target
from pulumi_training.spec.compute import ComputeRef
from pulumi_training.spec.errors import SpecError
from pulumi_training.spec.settings import TargetSettings, address, credential

Declare = Callable[..., Declared]
WRONG_NAMES = ["my lab", "Lab", "🚀", "x" * 200, "", "-lab", "a.b"]


def refused(declare: Declare, program: Callable[[], Any]) -> SpecError:
    with pytest.raises(SpecError) as caught:
        declare(program)
    return caught.value


@pytest.mark.parametrize("name", WRONG_NAMES)
def test_a_wrong_name_is_refused_where_it_is_written(declare: Declare, name: str) -> None:
    for kind, more in (
        (target.Workspace, {}),
        (target.Datastore, {"workspace": {}, "source": "./d"}),
        (target.ComputeCluster, {"workspace": {}}),
    ):
        error = refused(declare, lambda kind=kind, more=more: kind("fine", name=name, **more))  # type: ignore[misc]
        assert error.path == "name" and "for example" in str(error)


def test_a_resource_name_that_cannot_be_a_name_needs_one(declare: Declare) -> None:
    assert refused(declare, lambda: target.Workspace("My Lab")).path == "name"
    declared = declare(lambda: target.Workspace("My Lab", name="lab"))
    assert ("training:local:Workspace", "My Lab") in declared.resources


@pytest.mark.parametrize("count", [0, -1, 1.5, "two", math.inf, math.nan, True, [2]])
@pytest.mark.parametrize("parameter", ["max_nodes", "slots_per_node"])
def test_a_wrong_count_is_refused_where_it_is_written(declare: Declare, parameter: str, count: Any) -> None:
    error = refused(declare, lambda: target.ComputeCluster("cpu", workspace={}, **{parameter: count}))
    assert error.path == {"max_nodes": "maxNodes", "slots_per_node": "slotsPerNode"}[parameter]
    assert "write" in str(error)


def test_gpus_may_be_none_but_not_less(declare: Declare) -> None:
    declare(lambda: target.ComputeCluster("cpu", workspace={}, gpus_per_node=0))
    assert (
        refused(declare, lambda: target.ComputeCluster("cpu", workspace={}, gpus_per_node=-1)).path
        == "gpusPerNode"
    )


def cluster_ref(declare: Declare, make: Callable[[], Any]) -> Any:
    seen: list[Any] = []

    def program() -> pulumi.Output[Any]:
        ref: pulumi.Output[Any] = make().ref
        return ref.apply(seen.append)

    declare(program)
    return seen[0]


@pytest.mark.parametrize(
    ("kind", "inputs", "path"),
    [
        (target.ComputeCluster, {"maxNodes": 2.0}, "workspace"),
        (target.Datastore, {"workspace": {}}, "source"),
        (docker.Datastore, {"workspace": {}, "volume": "v", "hostFolder": "/x"}, "source"),
    ],
)
def test_construct_names_the_input_that_is_missing(
    declare: Declare, kind: Any, inputs: dict[str, Any], path: str
) -> None:
    assert refused(declare, lambda: kind.from_construct("fine", inputs, None)).path == path


def test_construct_gives_every_input_to_its_parameter(declare: Declare) -> None:
    settings = {"dockerHost": "tcp://h:1", "tls": "/c", "memory": "1g", "cpus": "2", "shmSize": "3g"}
    settings |= {"ulimits": "nofile=1", "user": "1:1"}
    inputs = {"workspace": {"target": "docker"}, "maxNodes": 2.0, "pricePerNodeHour": 0.5, **settings}
    seen: dict[str, Any] = {}

    def program() -> None:
        made = docker.ComputeCluster.from_construct("gpu", inputs, None)
        made.ref.apply(seen.update)

    declare(program)
    assert seen["settings"] == settings
    assert (seen["cluster"], seen["maxNodes"], seen["slotsPerNode"], seen["pricePerNodeHour"]) == (
        "gpu",
        2,
        1,
        0.5,
    )


TYPED = {"memory": "1g", "cpus": 1.5, "ulimits": [{"name": "nofile", "soft": 1, "hard": 2}]}
KINDS = [("local", target.ComputeCluster), ("docker", docker.ComputeCluster)]


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_settings_go_on_in_the_form_in_which_they_came(declare: Declare, name: str, kind: Any) -> None:
    texts = {"memory": "1g", "cpus": "2", "shm_size": "3g", "ulimits": "nofile=1"}
    wire = {"memory": "1g", "cpus": "2", "shmSize": "3g", "ulimits": "nofile=1"}
    plain = {"workspace": {"target": name, "workspace": "lab", "store": "./s"}}
    without = cluster_ref(declare, lambda: kind("cpu", **plain))
    assert "settings" not in without and name not in without
    old = cluster_ref(declare, lambda: kind("cpu", **plain, **texts))
    assert old == {**without, "settings": wire}, "an older consumer takes it"
    new = cluster_ref(
        declare, lambda: kind("cpu", **plain, settings={**TYPED, "shm_size": "4g", "memory": None})
    )
    assert new == {**without, name: {"cpus": 1.5, "ulimits": TYPED["ulimits"], "shmSize": "4g"}}
    both = cluster_ref(declare, lambda: kind("cpu", **plain, memory="1024m", settings=TYPED))
    assert both == {**without, "settings": {"memory": "1024m"}, name: TYPED}
    assert ComputeRef.model_validate(both).settings_given[name] == TYPED


@pytest.mark.parametrize(("name", "kind"), KINDS)
@pytest.mark.parametrize(
    ("given", "paths"),
    [
        ({"settings": {"memroy": "1g"}}, {"settings.memroy"}),
        ({"settings": {"memory": "lots", "cpus": 0}}, {"settings.memory", "settings.cpus"}),
        ({"settings": {"ulimits": "nofile=1"}}, {"settings.ulimits"}),
        ({"memory": "1g", "settings": {"memory": "2g"}}, {"settings.memory"}),
        ({"memory": "lots", "settings": {"cpus": 1}}, {"memory"}),
    ],
)
def test_wrong_settings_are_refused_where_they_are_written(
    declare: Declare, name: str, kind: Any, given: dict[str, Any], paths: set[str]
) -> None:
    error = refused(declare, lambda: kind("cpu", workspace={"target": name}, **given))
    assert {problem.path for problem in error.problems} == paths
    if len(given) == 2 and paths == {"settings.memory"}:
        assert "differs from memory" in str(error), "both are named"


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_settings_that_are_known_later_are_left_for_the_check(declare: Declare, name: str, kind: Any) -> None:
    def part() -> Any:
        memory = pulumi.Output.from_input("1g")
        return kind("cpu", workspace={"target": name}, settings={**TYPED, "memory": memory})

    def whole() -> Any:
        return kind("cpu", workspace={"target": name}, settings=pulumi.Output.from_input(TYPED))

    assert cluster_ref(declare, part)[name] == TYPED
    assert cluster_ref(declare, whole)[name] == TYPED


def test_construct_gives_typed_settings_too(declare: Declare) -> None:
    for name, kind in KINDS:
        seen: dict[str, Any] = {}

        def program(kind: Any = kind, name: str = name, seen: dict[str, Any] = seen) -> None:
            inputs = {"workspace": {"target": name}, "shmSize": "1g", "settings": TYPED}
            kind.from_construct("cpu", inputs, None).ref.apply(seen.update)

        declare(program)
        assert (seen[name], seen["settings"]) == (TYPED, {"shmSize": "1g"})


def test_a_credential_among_settings_leaves_the_program_as_a_secret(declare: Declare) -> None:
    class Settings(TargetSettings):
        token: str | None = credential(description="What opens it.")
        region: str | None = address(description="Where.")

    class Cluster(docker.ComputeCluster):
        @classmethod
        def settings_model(cls) -> type[TargetSettings]:
            return Settings

    def compute(**settings: str) -> Any:
        def program() -> None:
            cluster = Cluster("cpu", workspace={"target": "docker"}, settings=settings)
            training.TrainingJob("fit", compute=cluster, entry_script="train.py")

        return declare(program).job()["compute"]

    assert compute(region="r")["docker"] == {"region": "r"}
    hidden = compute(region="r", token="t0ken")  # the mocks know no secret inside of an object
    assert isinstance(hidden, Secret) and hidden.value["docker"] == {"region": "r", "token": "t0ken"}


def test_a_clusters_ref_is_the_flat_wire_form(declare: Declare) -> None:
    def make() -> Any:
        lab = target.Workspace("lab", store="s3://bucket/runs")
        return target.ComputeCluster(
            "cpu", workspace=lab, max_nodes=cast(int, 2.0), slots_per_node=4, price_per_node_hour=3.06
        )

    ref = cluster_ref(declare, make)
    assert ref == {
        "target": "local",
        "workspace": "lab",
        "store": "s3://bucket/runs",
        "cluster": "cpu",
        "maxNodes": 2,
        "slotsPerNode": 4,
        "gpusPerNode": 0,
        "pricePerNodeHour": 3.06,
    }
    read = ComputeRef.model_validate(ref)
    assert (read.max_nodes, read.slots_per_node) == (2, 4)


def test_a_store_known_later_and_a_workspace_by_its_ref(declare: Declare) -> None:
    def make() -> Any:
        lab = target.Workspace("lab", store=pulumi.Output.from_input("./runs"))
        return target.ComputeCluster("cpu", workspace=lab.ref, max_nodes=pulumi.Output.from_input(3))

    ref = cluster_ref(declare, make)
    assert (ref["store"], ref["maxNodes"]) == ("./runs", 3)


def test_an_environment_is_flat_and_its_password_secret(declare: Declare) -> None:
    def program() -> None:
        training.Environment(
            "shared",
            pip_packages=["numpy"],
            refresh="1",
            image_registry={"address": "r", "password": "hunter2"},
            build_arguments={"CUDA": "12"},
        )

    assert declare(program).resources["training:index:Environment", "shared"] == {
        "pipPackages": ["numpy"],
        "refresh": "1",
        "imageRegistry": Secret({"address": "r", "password": "hunter2"}),
        "buildArguments": {"CUDA": "12"},
    }


def test_the_face_offers_what_it_names() -> None:
    for name in training.__all__:
        assert getattr(training, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = training.Nothing
    assert {"Workspace", "Datastore", "ComputeCluster"} <= set(dir(target))
