"""What a target cannot have is refused by property; what only tunes a place is taken, and said."""

from __future__ import annotations

from typing import Any

import pytest

from pulumi_training.spec.environment import EnvironmentSpec
from pulumi_training.spec.text import joined
from pulumi_training.targets import catalog
from pulumi_training.targets.compute_settings import model_of, notes, unknown
from pulumi_training.targets.platforms import normal_platform, this_platform
from pulumi_training.targets.rules import environment_problems, read_job

ULIMITS = [{"name": "nofile", "soft": 1024}]
FOREIGN = "linux/s390x"
OF_IMAGES = {
    "image": "python:3.11",
    "dockerfile": "Dockerfile",
    "buildContext": ".",
    "imageRegistry": {"address": "r"},
    "buildArguments": {"CUDA": "12"},
    "buildSecrets": {"token": "t"},
    "caBundleInImage": True,
}


def compute(target: str, **more: Any) -> dict[str, Any]:
    return {"target": target, "workspace": "lab", "store": "./runs", **more}


def problems(target: str, *, environment: dict[str, Any] | None = None, **more: Any) -> dict[str, str]:
    inputs = {"entryScript": "train.py", "compute": compute(target, **more)}
    found = read_job({**inputs, **({"environment": environment} if environment else {})})[1]
    by_path = {problem.path: problem.message for problem in found}
    assert len(by_path) == len(found), "one problem for each property"
    return by_path


@pytest.mark.parametrize("name", OF_IMAGES)
def test_what_belongs_to_images_is_refused_where_there_are_none(name: str) -> None:
    found = problems("local", environment={name: OF_IMAGES[name]})
    assert found == {f"environment.{name}": "target local cannot run images; docker can"}


def test_all_of_it_is_refused_at_once() -> None:
    given = {name: value for name, value in OF_IMAGES.items() if name != "image"}
    found = problems("local", environment={**given, "platform": FOREIGN})
    assert found.keys() == {f"environment.{name}" for name in (*given, "platform")}


@pytest.mark.parametrize("name", ["buildContext", "buildArguments", "buildSecrets"])
def test_what_is_for_a_dockerfile_needs_one(name: str) -> None:
    for other in ({}, {"image": "python:3.11"}):
        found = problems("docker", environment={name: OF_IMAGES[name], **other})
        assert list(found) == [f"environment.{name}"] and "Dockerfile" in found[f"environment.{name}"]
    assert not problems("docker", environment={name: OF_IMAGES[name], "dockerfile": "Dockerfile"})


def test_another_machines_platform_is_refused_on_this_machine() -> None:
    message = problems("local", environment={"platform": FOREIGN})["environment.platform"]
    assert FOREIGN in message and this_platform() in message and "docker can" in message
    assert not problems("local", environment={"platform": this_platform()})
    assert not problems("docker", environment={"platform": FOREIGN})


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("linux/amd64", "linux/amd64"),
        ("Linux/x86_64", "linux/amd64"),
        ("linux/arm64/v8", "linux/arm64"),
        ("linux/aarch64", "linux/arm64"),
        ("linux/arm/v7", "linux/arm"),
        ("linux/arm/v6", "linux/arm/v6"),
        ("darwin/arm64", "darwin/arm64"),
        ("linux", "linux"),
    ],
)
def test_platforms_have_one_spelling(text: str, normal: str) -> None:
    assert normal_platform(text) == normal


@pytest.mark.parametrize("target", catalog.names())
def test_what_every_target_can_is_refused_nowhere(target: str) -> None:
    spec = EnvironmentSpec.model_validate(
        {"pipPackages": ["numpy"], "indexUrl": "https://x", "caBundle": "ca.pem"}
    )
    assert not list(environment_problems(spec, catalog.describe(target)))
    assert not problems(target)


def test_nothing_is_said_of_a_target_that_is_not_here() -> None:
    assert not notes({"compute": compute("kubernetes", settings={"memory": "1g"}), "shmSize": "1g"})
    assert not notes({}) and not notes({"compute": None})


@pytest.mark.parametrize("target", catalog.names())
def test_a_setting_that_cannot_be_read_or_is_none_is_refused_everywhere(target: str) -> None:
    texts = {"memory": "lots", "cpus": "two", "shmSize": "much", "ulimits": "nofile", "colour": "red"}
    assert problems(target, settings=texts).keys() == {f"compute.settings.{name}" for name in texts}
    typed = {"memory": "lots", "cpus": "two", "shmSize": "much", "ulimits": "nofile=1:2"}
    assert problems(target, **{target: typed}).keys() == {f"compute.{target}.{name}" for name in typed}
    twice = problems(target, settings={"memory": "1g"}, **{target: {"memory": "2g"}})
    assert list(twice) == [f"compute.{target}.memory"]


TUNING = {"memory": "4g", "cpus": "2", "shmSize": "1g", "ulimits": "nofile=1024"}


def test_what_only_tunes_a_place_is_taken_and_said() -> None:
    lines = [f"{name}: not on local; docker uses it" for name in sorted(TUNING)]
    for more in (
        {"settings": TUNING},
        {"local": {**TUNING, "cpus": 2, "ulimits": ULIMITS}},
        {"settings": {"memory": "4g", "cpus": "2"}, "local": {"shmSize": "1g", "ulimits": ULIMITS}},
    ):
        assert not problems("local", **more)
        assert notes({"compute": compute("local", **more)}) == lines
        assert notes({"compute": compute("local", **more), "shmSize": "2g"}) == lines, "said once"
    assert notes({"compute": compute("local"), "shmSize": "2g"}) == ["shmSize: not on local; docker uses it"]


def test_nothing_is_said_where_it_is_used_or_not_asked_for() -> None:
    assert not notes({"compute": compute("docker", settings=TUNING), "shmSize": "2g"})
    assert not notes({"compute": compute("docker", docker={"memory": "4g"})})
    assert not notes({"compute": compute("local", settings={"memory": ""}, local=None)})
    record = {
        "compute": compute("local", settings={}),
        "environment": {"imageRepository": None},
        "shmSize": None,
    }
    assert not notes(record)


def test_where_an_image_is_kept_changes_nothing_and_is_said() -> None:
    job = {"compute": compute("local"), "environment": {"imageRepository": "r/x"}}
    assert notes(job) == ["environment.imageRepository: not on local; docker uses it"]
    assert not problems("local", environment=job["environment"])
    assert not notes({**job, "compute": compute("docker")})


def test_what_a_newer_version_wrote_is_named() -> None:
    extra = {"brandNew": {"a": 1}, "docker": {"memory": "1g", "gpuModel": "x"}, "local": {"anything": 1}}
    given = {**compute("docker"), **extra}
    assert unknown(given, extra) == ["compute.brandNew", "compute.docker.gpuModel"]
    assert not problems("docker", **extra)


@pytest.mark.parametrize("target", catalog.names())
def test_every_setting_is_marked_and_described(target: str) -> None:
    from pulumi_training.spec.fields import Identity, identity_of
    from pulumi_training.spec.settings import kind_of

    model = model_of(target)
    assert model.model_fields, f"{target} takes what every target takes"
    for name, info in model.model_fields.items():
        assert kind_of(model, name), name
        assert identity_of(model, name) is Identity.IGNORED, "no setting decides a result"
        assert info.description and not info.is_required(), name


def test_every_target_takes_what_tunes_a_place() -> None:
    from pulumi_training.spec.settings import ContainerLimits

    for target in catalog.names():
        assert issubclass(model_of(target), ContainerLimits), target


def test_names_in_a_row() -> None:
    assert [joined(tuple(names)) for names in ("", "a", "ab", "abc")] == ["", "a", "a and b", "a, b and c"]
