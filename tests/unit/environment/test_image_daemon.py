"""Images on a daemon that is pretended: which one is taken, what is pulled, and what a push leaves behind."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker.errors
import pytest

from pulumi_training.environment import image_tags
from pulumi_training.environment.image import find_image
from pulumi_training.environment.image_probe import ImageFacts
from pulumi_training.environment.image_request import ImageRequest
from pulumi_training.spec.environment import EnvironmentSpec

FACTS = ImageFacts(python="/usr/bin/python3", python_version="3.11.2")


@dataclass
class Image:
    """One image; all that is asked of it."""

    daemon: Daemon
    attrs: dict[str, Any] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    id: str = "sha256:0"

    def tag(self, repository: str, tag: str) -> None:
        self.daemon.there[f"{repository}:{tag}"] = self


class Daemon:
    """A client, its `images` and its `api` in one."""

    def __init__(self) -> None:
        self.api = self.images = self
        self.there: dict[str, Image] = {}

    def get(self, name: str) -> Image:
        if name not in self.there:
            raise docker.errors.ImageNotFound(name)
        return self.there[name]


@pytest.fixture
def daemon() -> Daemon:
    return Daemon()


def finished(daemon: Daemon, source: Path, spec: EnvironmentSpec, **attrs: Any) -> Image:
    """The image of a spec, as it was built."""
    request = ImageRequest(spec, source, needs_mpi=False, needs_mpi4py=False)
    made = Image(daemon, attrs, {image_tags.FACTS_LABEL: FACTS.to_json()})
    daemon.there[request.tag] = made
    return made


@pytest.mark.parametrize(
    "repository", ["docker.io/team/training", "index.docker.io/team/training", "team/training"]
)
@pytest.mark.parametrize("told", ["team/training", "docker.io/team/training"])
def test_an_image_of_docker_hub_is_found_by_each_of_its_names(
    daemon: Daemon, source: Path, repository: str, told: str
) -> None:
    spec = EnvironmentSpec(image="x:1", image_repository=repository)
    finished(daemon, source, spec, RepoDigests=["other/x@sha256:1", f"{told}@sha256:2"])
    found = find_image(spec, source, needs_mpi=False, needs_mpi4py=False, client=daemon)
    assert found is not None
    assert found.image == f"{repository}@sha256:2", "as a push names it"
