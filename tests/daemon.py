"""The Docker daemon of the tests: the one that DOCKER_HOST names, with the base image that tools/docker-base makes."""

from __future__ import annotations

import os
from typing import Any

from services import missing

BASE = os.environ.get("TRAINING_TEST_IMAGE", "training-base:bookworm")


def base_image() -> str:
    """The base image, where a daemon has it; skips, or fails where TRAINING_REQUIRE names docker."""
    try:
        client = connect()
        client.images.get(BASE)
        client.close()
    except Exception as error:
        missing("docker", f"no Docker daemon with the image {BASE} (tools/docker-base makes it): {error}")
    return BASE


def connect() -> Any:
    """The official client of the daemon."""
    import docker

    return docker.from_env()


def variables() -> dict[str, str]:
    """What a program needs to build on the base image: its name, and what this machine trusts."""
    bundle = os.environ.get("SSL_CERT_FILE")
    return {"TRAINING_BASE_IMAGE": BASE, **({"TRAINING_CA_BUNDLE": bundle} if bundle else {})}


def objects(label: str) -> list[str]:
    """Containers, volumes and networks with a label (`name` or `name=value`), running or not."""
    client = connect()
    try:
        wanted, api = {"label": label}, client.api
        return [
            *(line["Names"][0] for line in api.containers(all=True, filters=wanted)),
            *(volume["Name"] for volume in api.volumes(filters=wanted)["Volumes"] or []),
            *(network["Name"] for network in api.networks(filters=wanted)),
        ]
    finally:
        client.close()
