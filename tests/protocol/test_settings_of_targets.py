"""What a target cannot do and what it has no use for, and its settings in both forms, as the engine meets them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from job_plugin import COMPUTE, ENVIRONMENT, Jobs

from pulumi_training.provider.wire import Secret

FOREIGN = "linux/s390x"
ONCE_TAKEN: list[tuple[str, dict[str, Any]]] = [
    ("environment.buildArguments", {"environment": {"buildArguments": {"CUDA": "12"}}}),
    ("environment.buildSecrets", {"environment": {"buildSecrets": {"token": "t0ken-of-builds"}}}),
    ("environment.caBundleInImage", {"environment": {"caBundleInImage": True}}),
    ("environment.platform", {"environment": {"platform": FOREIGN}}),
    ("compute.settings.memory", {"compute": {**COMPUTE, "settings": {"memory": "lots"}}}),
    ("compute.settings.colour", {"compute": {**COMPUTE, "settings": {"colour": "red"}}}),
]
"""What the local target took without a word, by the property that it is refused at now."""
DOCKER = {**COMPUTE, "target": "docker"}
TEXTS = {
    "dockerHost": "tcp://h:1",
    "memory": "1g",
    "cpus": "2",
    "shmSize": "1g",
    "ulimits": "nofile=1:2",
    "user": "1:1",
}
TYPED = {**TEXTS, "cpus": 2.0, "ulimits": [{"name": "nofile", "soft": 1, "hard": 2}]}


def warnings(lab: Jobs, since: int = 0) -> list[str]:
    return [request.message for _, request in lab.engine.logged[since:] if request.severity == 2]


@pytest.mark.parametrize(("path", "given"), ONCE_TAKEN, ids=[path for path, _ in ONCE_TAKEN])
def test_what_was_taken_without_a_word_is_refused(lab: Jobs, path: str, given: dict[str, Any]) -> None:
    _, problems = lab.check(lab.inputs(**given))
    assert list(problems) == [path]
    assert "t0ken" not in str(problems)


@pytest.mark.parametrize(("path", "given"), ONCE_TAKEN, ids=[path for path, _ in ONCE_TAKEN])
def test_a_resource_that_has_it_gets_a_warning_and_goes_on(
    lab: Jobs, path: str, given: dict[str, Any]
) -> None:
    inputs = lab.inputs(**given)
    checked, problems = lab.check(inputs, olds={**inputs, "runKey": "v1:0", "sourceDigest": "sha256:0"})
    assert not problems and checked["runKey"].startswith("v1:")
    [words] = warnings(lab)
    assert words.startswith(f"{path}: ") and "only a warning" in words and "t0ken" not in words
    again, problems = lab.check(inputs, olds=checked)
    assert not problems and again == checked
    assert lab.diff(checked, again) == {}


def test_another_value_of_it_is_refused(lab: Jobs) -> None:
    old = lab.inputs(
        environment={"buildArguments": {"CUDA": "12"}}, compute={**COMPUTE, "settings": {"memory": "lots"}}
    )
    new = lab.inputs(
        environment={"buildArguments": {"CUDA": "13"}}, compute={**COMPUTE, "settings": {"memory": "more"}}
    )
    _, problems = lab.check(new, olds=old)
    assert problems.keys() == {"environment.buildArguments", "compute.settings.memory"}
    _, problems = lab.check(old, olds=lab.inputs())
    assert problems.keys() == {"environment.buildArguments", "compute.settings.memory"}
    assert not warnings(lab)


def test_what_was_always_refused_is_an_error_whatever_state_says(lab: Jobs) -> None:
    inputs = lab.inputs(nodeCount=0)
    assert list(lab.check(inputs, olds=inputs)[1]) == ["nodeCount"]


def test_moving_a_job_to_a_target_that_cannot_is_refused(lab: Jobs) -> None:
    environment = {"dockerfile": "Dockerfile", "buildArguments": {"CUDA": "12"}}
    old = lab.inputs(compute=DOCKER, environment=environment)
    _, problems = lab.check(lab.inputs(environment=environment), olds=old)
    assert problems.keys() == {"environment.dockerfile", "environment.buildArguments"}


@pytest.mark.parametrize(
    ("target", "given", "path"),
    [
        (None, {"image": "python:3.11"}, "image"),
        (None, {"dockerfile": "Dockerfile"}, "dockerfile"),
        (None, {"buildContext": "."}, "buildContext"),
        (None, {"buildArguments": {"A": "1"}}, "buildArguments"),
        (None, {"buildSecrets": {"a": "t0ken-of-builds"}}, "buildSecrets"),
        (None, {"platform": FOREIGN}, "platform"),
        ("local", {"platform": FOREIGN}, "platform"),
        ("docker", {"buildContext": "."}, "buildContext"),
        ("docker", {"buildArguments": {"A": "1"}}, "buildArguments"),
        ("docker", {"buildSecrets": {"a": "t0ken-of-builds"}}, "buildSecrets"),
    ],
)
def test_an_environment_of_a_target_that_cannot(
    lab: Jobs, target: str | None, given: dict[str, Any], path: str
) -> None:
    inputs = {**given, **({"target": target} if target else {})}
    _, problems = lab.check(inputs, name="env", kind=ENVIRONMENT)
    assert list(problems) == [path]
    checked, problems = lab.check(inputs, name="env", kind=ENVIRONMENT, olds=inputs)
    assert not problems and isinstance(checked["digest"], str)
    assert [words.partition(":")[0] for words in warnings(lab)] == [path]
    assert "t0ken" not in str(warnings(lab))


def test_what_only_tunes_a_place_is_said_in_the_row(lab: Jobs) -> None:
    compute = {**COMPUTE, "settings": {"memory": "1g"}, "local": {"cpus": 2}}
    inputs = lab.checked(lab.inputs(compute=compute, shmSize="1g"))
    lines = [f"{name}: not on local; docker uses it" for name in ("cpus", "memory", "shmSize")]
    lab.create(inputs, preview=True)
    assert [line for line in lab.engine.lines(ephemeral=False) if "not on" in line] == lines
    seen = len(lab.engine.logged)
    made = lab.create(inputs)
    assert not made.reasons
    said = [request.message for _, request in lab.engine.logged[seen:] if not request.ephemeral]
    assert [line for line in said if "not on" in line] == lines
    assert not warnings(lab)


def test_where_an_image_would_be_kept_is_said_of_an_environment(lab: Jobs) -> None:
    inputs = lab.checked({"imageRepository": "r.example.com/x"}, name="env", kind=ENVIRONMENT)
    lab.create(inputs, name="env", kind=ENVIRONMENT, preview=True)
    assert "imageRepository: not on local; docker uses it" in lab.said()


def test_an_environment_says_which_address_has_no_use_at_its_target(lab: Jobs) -> None:
    asked = {"dockerHost": "tcp://builder.example.com:2376", "tls": "~/.docker/builder"}
    inputs = lab.checked({**asked, "pipPackages": []}, name="env", kind=ENVIRONMENT)
    lab.create(inputs, name="env", kind=ENVIRONMENT, preview=True)
    lines = [line for line in lab.engine.lines(ephemeral=False) if "not on" in line]
    assert lines == [f"{name}: not on local; docker uses it" for name in asked]
    plain = lab.checked({"pipPackages": []}, name="env", kind=ENVIRONMENT)
    assert plain["digest"] == inputs["digest"]


def test_texts_and_typed_settings_of_the_same_are_no_change(lab: Jobs) -> None:
    forms = [{"settings": TEXTS}, {"docker": TYPED}, {"settings": TEXTS, "docker": TYPED}]
    checked = [lab.checked(lab.inputs(compute={**DOCKER, **form})) for form in forms]
    assert {each["runKey"] for each in checked} == {checked[0]["runKey"]}
    for old in checked:
        for new in checked:
            assert lab.diff(old, new) == {}


def test_a_ref_without_settings_comes_back_as_it_was(lab: Jobs) -> None:
    checked = lab.checked(lab.inputs())
    assert checked["compute"] == COMPUTE
    made, _ = lab.train()
    run = json.loads((lab.store / "runs" / made.id / "run.json").read_text())
    assert set(run["spec"]["compute"]) == {
        "target", "workspace", "store", "settings", "trackingUri", "cluster", "maxNodes", "slotsPerNode", "gpusPerNode",
        "pricePerNodeHour",
    }  # fmt: skip
    assert run["spec"]["compute"]["settings"] == {}


def test_typed_settings_are_recorded_where_they_are_given(lab: Jobs) -> None:
    typed = {"memory": "1g", "ulimits": [{"name": "nofile", "soft": 1024.0}], "brandNew": {"a": [1.0, "x"]}}
    compute = {**COMPUTE, "local": typed, "later": "kept"}
    made, inputs = lab.train(compute=compute)
    assert inputs["compute"] == compute
    recorded = json.loads((lab.store / "runs" / made.id / "run.json").read_text())["spec"]["compute"]
    assert recorded["local"] == typed and recorded["later"] == "kept" and recorded["settings"] == {}
    words = [w for w in warnings(lab) if "not known to this version" in w]
    assert {w.partition(":")[0] for w in words} == {"compute.later", "compute.local.brandNew"}
    plain = lab.checked(lab.inputs())
    assert plain["runKey"] == inputs["runKey"] and lab.diff(plain, inputs) == {}


@pytest.mark.parametrize("target", ["local", "docker"])
def test_a_setting_given_twice_with_different_values_names_both(lab: Jobs, target: str) -> None:
    compute = {**COMPUTE, "target": target, "settings": {"memory": "1g"}, target: {"memory": Secret("2g")}}
    _, problems = lab.check(lab.inputs(compute=compute))
    assert list(problems) == [f"compute.{target}.memory"]
    assert "compute.settings.memory" in problems[f"compute.{target}.memory"]


def test_an_environment_of_a_newer_stack_keeps_what_it_says(lab: Jobs) -> None:
    ref = {"id": "env-1", "digest": "d", "target": "local", "location": "/x", "spec": {}, "brandNew": 1.0}
    checked = lab.checked(lab.inputs(environmentRef=ref))
    assert checked["environmentRef"] == ref
    assert [w.partition(":")[0] for w in warnings(lab)] == ["environmentRef.brandNew"]


def test_a_record_of_a_newer_version_is_imported_without_what_nobody_here_knows(lab: Jobs) -> None:
    made, inputs = lab.train()
    path = lab.store / "runs" / made.id / "run.json"
    document = json.loads(path.read_text())
    document["spec"] |= {"brandNew": {"a": 1}, "retries": {**document["spec"]["retries"], "jitter": 0.5}}
    document["spec"]["compute"]["later"] = "kept"
    path.write_text(json.dumps(document))
    before = path.read_bytes()
    found, read = lab.read(f"./.training/lab#{made.id}")
    assert found.id == made.id and read["runKey"] == inputs["runKey"]
    assert "brandNew" not in read and read["compute"]["later"] == "kept"
    assert {words.partition(":")[0] for words in warnings(lab)} == {"brandNew", "retries.jitter"}
    assert path.read_bytes() == before, "the record keeps it"
