"""Images from and to a registry that asks for a password."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from image_world import BASE, PASSWORD, USER, Images, Registry, all_tags

from pulumi_training.environment import registry
from pulumi_training.spec.errors import PermanentError
from pulumi_training.spec.outcome import Reason

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("base")]


def put(images: Images, server: Registry, name: str) -> str:
    """The base image as one of the registry's, gone from the daemon; returns what it is called."""
    reference = f"{server.address}/{name}:1"
    images.tags.add(reference)
    images.client.images.get(BASE).tag(f"{server.address}/{name}", "1")
    given = registry.credentials_for(reference, server.credentials())
    registry.push(images.client, reference, credentials=given, progress=images.said.append)
    images.client.images.remove(reference)
    return reference


def test_a_built_image_is_pushed_and_found_there_by_the_next_machine(
    images: Images, wheels: dict[str, Any], registry_server: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = {
        **wheels,
        "image": f"docker.io/{BASE}",
        "pip_packages": ["beta"],
        "refresh": images.fresh(),
        "image_repository": f"{registry_server.address}/team/training",
        "image_registry": registry_server.credentials(),
    }
    images.client.images.get(BASE).tag(f"docker.io/{BASE.partition(':')[0]}", BASE.partition(":")[2])
    made = images.ensure(**fields)
    repository, _, digest = made.image.partition("@")
    assert repository == fields["image_repository"]
    assert digest.startswith("sha256:")
    assert any(line.startswith("Pushing") and "layers" in line for line in images.said)
    assert images.find(**fields).image == made.image  # type: ignore[union-attr]
    for tag in [t for t in all_tags(images.client) if made.digest in t]:
        images.client.images.remove(tag)
    assert images.find(**fields) is None

    def refuse(*words: Any, **options: Any) -> None:
        raise AssertionError("it must not be built again")

    monkeypatch.setattr("pulumi_training.environment.builder.run", refuse)
    again = images.ensure(**fields)
    assert again.image == made.image
    assert again.packages == made.packages
    assert again.was_cached


def test_an_image_that_was_built_for_nobody_else_is_only_pushed(
    images: Images, wheels: dict[str, Any], registry_server: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = {
        **wheels,
        "image": f"docker.io/{BASE}",  # or it would be one of the registry
        "pip_packages": ["beta"],
        "refresh": images.fresh(),
    }
    images.client.images.get(BASE).tag(f"docker.io/{BASE.partition(':')[0]}", BASE.partition(":")[2])
    made = images.ensure(**fields)
    fields |= {
        "image_repository": f"{registry_server.address}/team/later",
        "image_registry": registry_server.credentials(),
    }
    assert images.find(**fields) is None, "it is not where it is to be"

    def refuse(*words: Any, **options: Any) -> None:
        raise AssertionError("it must not be built again")

    monkeypatch.setattr("pulumi_training.environment.builder.run", refuse)
    pushed = images.ensure(**fields)
    assert pushed.image.startswith(f"{registry_server.address}/team/later@sha256:")
    assert (pushed.digest, pushed.packages) == (made.digest, made.packages)
    assert images.find(**fields).image == pushed.image  # type: ignore[union-attr]


def test_a_private_base_image_is_pulled_with_the_password(
    images: Images, wheels: dict[str, Any], registry_server: Registry
) -> None:
    put(images, registry_server, "private/base")
    fields = {
        **wheels,
        "image": "private/base:1",  # named without the registry, as Azure ML has it
        "image_registry": registry_server.credentials(),
        "pip_packages": ["beta"],
        "refresh": images.fresh(),
    }
    assert "beta==2.0" in images.ensure(**fields).packages
    assert any(line.startswith(f"Pulling {registry_server.address}/private/base:1") for line in images.said)


def test_a_users_dockerfile_may_start_from_a_private_image(
    images: Images, registry_server: Registry, each_builder: str
) -> None:
    reference = put(images, registry_server, "private/start")
    (images.source / "Dockerfile").write_text(f"FROM {reference}\nRUN echo {images.fresh()} >/word\n")
    assert (
        images.ensure(dockerfile="Dockerfile", image_registry=registry_server.credentials()).packages
        is not None
    )


@pytest.mark.parametrize(
    ("password", "image", "told"),
    [
        ("wrong", "private/there", f"refused the access as {USER!r}"),
        (None, "private/there", "refused the access without a login"),
        (PASSWORD, "private/nowhere", "there is no such image"),
        (PASSWORD, "private/there:other", "there is no such image"),
    ],
)
def test_refusals_are_told_apart(
    images: Images, registry_server: Registry, password: str | None, image: str, told: str
) -> None:
    put(images, registry_server, "private/there")
    given = registry_server.credentials(password) if password else None
    with pytest.raises(PermanentError) as caught:
        images.ensure(
            image=f"{registry_server.address}/{image}" + ("" if ":" in image else ":1"),
            user_managed=True,
            image_registry=given,
        )
    assert caught.value.reason is Reason.IMAGE_PULL_FAILED
    assert told in caught.value.message
    assert PASSWORD not in caught.value.message


def test_a_registry_that_is_not_there_is_told(images: Images) -> None:
    with pytest.raises(PermanentError, match="does not answer"):
        images.ensure(image="127.0.0.1:9/x:1", user_managed=True)


def test_a_push_that_is_refused_is_told(
    images: Images, wheels: dict[str, Any], registry_server: Registry
) -> None:
    # Asked for before it is built: a wrong password costs no build.
    with pytest.raises(PermanentError, match="refused the access"):
        images.ensure(
            **{**wheels, "image": BASE},
            pip_packages=["beta"],
            refresh=images.fresh(),
            image_repository=f"{registry_server.address}/team/x",
        )
    assert not any("Building" in line for line in images.said)


def test_the_login_of_dockers_own_config_is_used(
    images: Images, registry_server: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import docker

    reference = put(images, registry_server, "private/config")
    login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    config = {"auths": {registry_server.address: {"auth": login}}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    images.client = docker.from_env(timeout=120)
    assert images.ensure(image=reference, user_managed=True).image.startswith(
        f"{registry_server.address}/private/config@"
    )


def test_a_credential_helper_is_asked(
    images: Images, registry_server: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    import docker

    reference = put(images, registry_server, "private/helper")
    helper = tmp_path / "docker-credential-test"
    answer = json.dumps({"Username": USER, "Secret": PASSWORD, "ServerURL": registry_server.address})
    helper.write_text(f"#!/bin/sh\ncat >/dev/null\necho '{answer}'\n")
    helper.chmod(0o755)
    (tmp_path / "config.json").write_text(json.dumps({"credHelpers": {registry_server.address: "test"}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    images.client = docker.from_env(timeout=120)
    assert images.ensure(image=reference, user_managed=True).python == "/usr/bin/python3"
