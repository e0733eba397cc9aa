"""The Environment resource over real gRPC: made once, shared by jobs."""

from __future__ import annotations

from typing import Any

import pytest
from job_plugin import ENVIRONMENT, Jobs

from pulumi_training.provider.wire import UNKNOWN, Secret


def checked(lab: Jobs, **inputs: Any) -> dict[str, Any]:
    return lab.checked(inputs, name="env", kind=ENVIRONMENT)


def one(lab: Jobs, path: str, **inputs: Any) -> str:
    _, problems = lab.check(inputs, name="env", kind=ENVIRONMENT)
    assert list(problems) == [path], problems
    return problems[path]


def test_bad_input_names_its_property(lab: Jobs) -> None:
    assert "not a package!" in one(lab, "pipPackages[0]", pipPackages=["not a package!"])
    assert "whole number" not in one(lab, "pipPackages", pipPackages="numpy")
    assert "did you mean pipPackages" in one(lab, "pipPackage", pipPackage=["numpy"])
    assert "does not exist" in one(lab, "sourceDirectory", sourceDirectory="./scr")
    assert "'local'" in one(lab, "target", target="moon")
    assert one(lab, "userManaged", userManaged=True, pipPackages=["numpy"])
    assert one(lab, "interpreter", interpreter="/usr/bin/python3")
    assert "cannot run images" in one(lab, "image", image="python:3.11")
    assert "req.txt" in one(lab, "pipRequirementsFile", pipRequirementsFile="req.txt")


def test_every_problem_comes_at_once(lab: Jobs) -> None:
    _, problems = lab.check(
        {"target": "moon", "condaFallback": "maybe", "interpreter": "/x"}, name="env", kind=ENVIRONMENT
    )
    assert set(problems) == {"target", "condaFallback", "interpreter"}


def test_the_digest_is_of_what_is_installed(lab: Jobs) -> None:
    one_, two = checked(lab), checked(lab, sourceDirectory=".", indexUrl="https://example.org/simple")
    assert one_["digest"] == two["digest"] != checked(lab, refresh="1")["digest"]
    assert checked(lab, **one_) == one_


def test_a_requirements_file_counts_by_its_content(lab: Jobs) -> None:
    lab.source("numpy==1.0\n", "requirements.txt")
    given = {"sourceDirectory": "./src", "pipRequirementsFile": "requirements.txt"}
    old = checked(lab, **given)
    lab.source("numpy==1.1\n", "requirements.txt")
    new = checked(lab, **given)
    assert lab.diff(old, new, name="env", kind=ENVIRONMENT) == {"digest": "UPDATE_REPLACE"}


def test_an_unknown_makes_the_digest_unknown(lab: Jobs) -> None:
    old, new = checked(lab), checked(lab, pipPackages=[UNKNOWN])
    assert new["digest"] is UNKNOWN
    assert "digest" in lab.diff(old, new, name="env", kind=ENVIRONMENT)
    assert lab.create(new, name="env", kind=ENVIRONMENT, preview=True).id == ""


def test_where_packages_come_from_is_no_change(lab: Jobs) -> None:
    old, new = checked(lab), checked(lab, findLinks=["./wheels"])
    assert lab.diff(old, new, name="env", kind=ENVIRONMENT) == {}


def test_a_password_comes_back_secret(lab: Jobs) -> None:
    found, problems = lab.check(
        {"imageRegistry": {"address": "r", "password": Secret("hunter2")}}, name="env", kind=ENVIRONMENT
    )
    assert list(problems) == ["imageRegistry"], "no image on this target"
    assert found["imageRegistry"]["password"] == Secret("hunter2")
    assert "hunter2" not in str(problems)


def test_jobs_share_an_environment(lab: Jobs) -> None:
    inputs = checked(lab)
    previewed = lab.create(inputs, name="env", kind=ENVIRONMENT, preview=True)
    made = lab.create(inputs, name="env", kind=ENVIRONMENT)
    assert made.id == previewed.id == f"env-{inputs['digest'].rpartition(':')[2][:16]}"
    assert made.outputs["digest"] == inputs["digest"]
    lab.source("import sys\nprint(sys.prefix)\n")
    fit, job = lab.train(environmentRef=made.outputs["ref"])
    assert lab.log(fit).decode().strip() == made.outputs["location"]
    moved = {**made.outputs["ref"], "location": "/elsewhere"}
    other = lab.checked(lab.inputs(environmentRef=moved))
    assert other["runKey"] == job["runKey"]
    assert lab.diff(job, other) == {}


@pytest.mark.parametrize("is_there", [True, False])
def test_read_says_whether_it_is_there(lab: Jobs, is_there: bool) -> None:
    from job_plugin import urn
    from pulumi.runtime.proto import provider_pb2

    from pulumi_training.provider import wire

    inputs = checked(lab, refresh=str(is_there))
    if is_there:
        lab.create(inputs, name="env", kind=ENVIRONMENT)
    request = provider_pb2.ReadRequest(id="env-1", urn=urn("env", ENVIRONMENT), inputs=wire.encode(inputs))
    assert lab.client.stub.Read(request, timeout=30).id == ("env-1" if is_there else "")
