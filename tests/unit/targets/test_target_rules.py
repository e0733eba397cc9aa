"""What a target cannot do is refused by its property, in words that name the targets that can."""

from __future__ import annotations

from typing import Any

import pytest

from pulumi_training.spec.job import JobSpec
from pulumi_training.targets import catalog
from pulumi_training.targets.contract.descriptor import Feature
from pulumi_training.targets.rules import RULES, not_here, read_job

COMPUTE = {
    "target": "local", "workspace": "lab", "store": "./runs", "cluster": "cpu", "maxNodes": 2, "slotsPerNode": 2,
}  # fmt: skip
ON_DOCKER = {**COMPUTE, "target": "docker"}


def problems(**changes: Any) -> dict[str, str]:
    _, found = read_job({"entryScript": "train.py", "compute": COMPUTE, **changes})
    return {p.path: p.message for p in found}


def one(path: str, **changes: Any) -> str:
    found = problems(**changes)
    assert list(found) == [path], found
    return found[path]


@pytest.mark.parametrize(
    ("environment", "path"),
    [
        ({"image": "python:3.11"}, "environment.image"),
        ({"dockerfile": "Dockerfile"}, "environment.dockerfile"),
        ({"buildContext": "."}, "environment.buildContext"),
        ({"imageRegistry": {"address": "r"}}, "environment.imageRegistry"),
    ],
)
def test_an_image_needs_a_target_that_runs_images(environment: dict[str, Any], path: str) -> None:
    assert one(path, environment=environment).endswith("target local cannot run images; docker can")
    needs = {"dockerfile": "Dockerfile"} if "buildContext" in environment else {}
    assert not problems(environment={**needs, **environment}, compute=ON_DOCKER)


@pytest.mark.parametrize("uri", ["volume://digits", "host:///data"])
def test_data_of_the_computes_machine_needs_a_target_that_mounts_it(uri: str) -> None:
    said = one("inputs.d.uri", inputs={"d": {"uri": uri}})
    assert uri in said and "docker can" in said and "give a folder" in said
    assert not problems(inputs={"d": {"uri": uri}}, compute=ON_DOCKER)


def test_tracking_in_the_workspace_needs_ranks_of_this_machine() -> None:
    assert not problems(compute={**COMPUTE, "trackingUri": "workspace"})
    assert "tracking server" in one("compute.trackingUri", compute={**ON_DOCKER, "trackingUri": "workspace"})


def test_a_target_has_rules_of_its_own() -> None:
    wrong = {"settings": {"memory": "lots"}}
    assert "is not a size" in one("compute.settings.memory", compute={**ON_DOCKER, **wrong})


def test_a_refusal_names_every_target_that_can() -> None:
    for name in catalog.names():
        target = catalog.describe(name)
        for feature in set(Feature) - target.features:
            words = not_here(target, feature)
            able = catalog.supporting(feature)
            assert name not in able
            assert all(each in words for each in able)


def test_a_target_that_is_not_there_has_no_rules() -> None:
    """Whoever looks for the target says that it is not there; nothing is said of what it could do."""
    assert not problems(compute={**COMPUTE, "target": "moon"}, environment={"image": "a"})


@pytest.mark.parametrize("name", sorted({to for fields in RULES.values() for to in fields}))
def test_an_unknown_passes_its_rules_over(name: str) -> None:
    wrong = {
        "entryScript": "train.py",
        "compute": {**COMPUTE, "trackingUri": "./mlruns"},
        "environment": {"image": "a"},
        "inputs": {"a": {"uri": "volume://a"}},
        "outputs": {"b": {"uri": "volume://b"}},
    }
    _, all_found = read_job(wrong)
    _, found = read_job(wrong, unknown={name})
    silent = {rule for rule, fields in RULES.items() if name in fields}
    kept_back = [p for rule in silent for p in rule(JobSpec.model_validate(wrong))]
    assert kept_back
    said = set(all_found) - set(kept_back)
    assert {p for p in found if p.path != "compute"} <= said
