"""The Docker daemon of the tests: the one that DOCKER_HOST names, with the base image that tools/docker-base makes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from services import missing

from pulumi_training.targets.containers.names import FOLDER

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
    return [name for name, _ in _labelled(label)]


def objects_of(folder: Path) -> list[str]:
    """Containers, volumes and networks of runs whose record is below a folder."""
    return [name for name, labels in _labelled(FOLDER) if Path(labels[FOLDER]).is_relative_to(folder)]


def _labelled(label: str) -> list[tuple[str, Mapping[str, str]]]:
    client = connect()
    try:
        wanted, api = {"label": label}, client.api
        found = [
            *((line["Names"][0], line) for line in api.containers(all=True, filters=wanted)),
            *((volume["Name"], volume) for volume in api.volumes(filters=wanted)["Volumes"] or []),
            *((network["Name"], network) for network in api.networks(filters=wanted)),
        ]
        return [(name, line["Labels"]) for name, line in found]
    finally:
        client.close()
