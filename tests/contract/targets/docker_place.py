"""A Docker daemon: nodes are containers. DOCKER_HOST says which; it must have, or be able to build, an image."""

from __future__ import annotations

import os
import shutil
from typing import Any

from places import Place, Started, place

from pulumi_training.targets.containers import names
from pulumi_training.targets.contract.run import RunSpec
from pulumi_training.targets.docker import nodes
from pulumi_training.targets.docker.filters import filters

BASE = os.environ.get("TRAINING_TEST_IMAGE", "training-base:bookworm")
"""An image with Python that is at the daemon; tools/docker-base makes it."""
BUNDLE = os.environ.get("SSL_CERT_FILE", "")


@place
class DockerPlace(Place):
    """The daemon that DOCKER_HOST names."""

    name = "docker"
    offers_gpus = False

    settings: dict[str, str] = {}

    def compute(self, nodes: int = 2, slots: int = 2, gpus: int = 0) -> dict[str, Any]:
        return {**super().compute(nodes, slots, gpus), "settings": self.settings}

    def missing(self) -> str:
        import docker

        try:
            self.client = docker.from_env()
            self.client.ping()
        except docker.errors.DockerException as error:
            return f"no Docker daemon answers: {error}"
        if not self.client.images.list(BASE):
            return f"the Docker daemon has no image {BASE}; tools/docker-base makes it"
        return ""

    def run(self, script: str, **job: Any) -> RunSpec:
        """See `Place.run`; the image is built by the first test."""
        return super().run(script, **{"environment": self.environment(), **job})

    def environment(self) -> dict[str, Any]:
        """The image that runs use: the base and what a launch needs."""
        return {"image": BASE, **({"caBundle": BUNDLE} if BUNDLE else {})}

    def kill_node(self, started: Started, node: int) -> None:
        self.client.api.kill(
            names.object_name(started.run.run_id, started.run.attempt, node, store=started.run.store)
        )

    def forget(self, started: Started) -> None:
        assert self.objects(started) == [], "collection takes everything away"
        shutil.rmtree(started.run.folder / "launch")

    def left(self, started: Started) -> list[str]:
        return [
            state.name for state in nodes.states(self.client, started.handle).values() if state.is_running
        ]

    def objects(self, started: Started) -> list[str]:
        """Everything that the daemon has of an attempt, running or not."""
        wanted, api = (
            filters(started.run.run_id, started.run.attempt, started.run.store),
            self.client.api,
        )
        return [
            *(line["Names"][0] for line in api.containers(all=True, filters=wanted)),
            *(volume["Name"] for volume in api.volumes(filters=wanted)["Volumes"] or []),
            *(network["Name"] for network in api.networks(filters=wanted)),
        ]

    def close(self) -> None:
        super().close()
        for started in self.started:
            assert self.objects(started) == []
        self.client.close()
