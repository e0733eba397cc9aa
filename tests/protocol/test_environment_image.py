"""The Environment resource as an image of a Docker daemon, over real gRPC."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from job_plugin import ENVIRONMENT, Jobs, urn
from pulumi.runtime.proto import provider_pb2
from services import missing

from pulumi_training.environment.image_request import ImageRequest
from pulumi_training.provider import wire
from pulumi_training.provider.wire import UNKNOWN, Secret
from pulumi_training.spec.environment import EnvironmentSpec

BASE = "training-base:bookworm"
DOCKER = {"target": "docker", "sourceDirectory": "./src"}


def checked(lab: Jobs, **inputs: Any) -> dict[str, Any]:
    return lab.checked(DOCKER | inputs, name="env", kind=ENVIRONMENT)


@pytest.fixture
def daemon() -> Iterator[Any]:
    """The daemon of DOCKER_HOST or the default one, with the base image."""
    docker = pytest.importorskip("docker")

    try:
        client = docker.from_env()
        client.images.get(BASE)
    except docker.errors.ImageNotFound:
        missing("docker", f"there is no image {BASE}; tools/docker-base makes it")
    except docker.errors.DockerException as error:
        missing("docker", f"no Docker daemon answers: {error}")
    yield client
    client.close()


def test_what_is_declared_is_checked_without_a_daemon(lab: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    lab.source("FROM x\n", "Dockerfile")
    given = checked(lab, dockerfile="Dockerfile", buildSecrets={"token": "hush-hush"})
    assert len(given["digest"]) == 64
    assert given["buildSecrets"] == Secret({"token": "hush-hush"})
    moved = checked(lab, dockerfile="Dockerfile", dockerHost="tcp://elsewhere:2376")
    assert moved["digest"] == given["digest"]
    lab.source("FROM y\n", "Dockerfile")
    changed = checked(lab, dockerfile="Dockerfile")
    assert lab.diff(given, changed, name="env", kind=ENVIRONMENT)["digest"] == "UPDATE_REPLACE"
    _, problems = lab.check(DOCKER | {"userManaged": True}, name="env", kind=ENVIRONMENT)
    assert list(problems) == ["image"]
    _, problems = lab.check(DOCKER | {"dockerfile": "Dockerfil"}, name="env", kind=ENVIRONMENT)
    assert "near names: Dockerfile" in problems["dockerfile"]


def test_a_preview_does_not_take_the_base_for_the_image(lab: Jobs) -> None:
    lab.source("", "train.py")
    previewed = lab.create(checked(lab, image=BASE), name="env", kind=ENVIRONMENT, preview=True)
    assert previewed.outputs["image"] is UNKNOWN


@pytest.mark.docker
def test_the_image_is_built_read_and_shared(lab: Jobs, daemon: Any) -> None:
    lab.source(f"FROM {BASE}\nRUN echo {uuid.uuid4().hex}\n", "Dockerfile")
    password = {"address": "registry.example.com", "username": "ada", "password": Secret("open-sesame")}
    inputs = checked(lab, dockerfile="Dockerfile", userManaged=True, imageRegistry=password)
    read = provider_pb2.ReadRequest(id="env-1", urn=urn("env", ENVIRONMENT), inputs=wire.encode(inputs))
    assert lab.client.stub.Read(read, timeout=60).id == ""
    made = lab.create(inputs, name="env", kind=ENVIRONMENT)
    assert made.outputs["digest"] == inputs["digest"]
    assert made.outputs["image"] == made.outputs["location"] == made.outputs["ref"]["location"]
    assert f"training-env:{inputs['digest']}" in daemon.images.get(made.outputs["image"]).tags
    assert "RUN echo" in Path(made.outputs["buildLog"]).read_text()
    assert made.outputs["ref"]["target"] == "docker"
    assert "open-sesame" not in str(made.outputs)
    assert lab.client.stub.Read(read, timeout=60).id == "env-1"
    # Of this build only: the daemon may be shared.
    spec = EnvironmentSpec(dockerfile="Dockerfile", user_managed=True)
    request = ImageRequest(spec, lab.folder / "src", needs_mpi=False, needs_mpi4py=False)
    for tag in (request.tag, request.base_tag):
        daemon.images.remove(tag, force=True)


@pytest.mark.docker
def test_a_daemon_that_does_not_answer_is_not_an_image_that_is_gone(lab: Jobs, daemon: Any) -> None:
    import grpc

    lab.source("", "train.py")
    inputs = checked(lab, image=BASE, userManaged=True, dockerHost="tcp://127.0.0.1:9")
    read = provider_pb2.ReadRequest(id="env-1", urn=urn("env", ENVIRONMENT), inputs=wire.encode(inputs))
    with pytest.raises(grpc.RpcError) as caught:
        lab.client.stub.Read(read, timeout=60)
    assert "does not answer" in str(caught.value.details())
