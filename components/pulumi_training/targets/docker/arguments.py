"""What the components of the Docker target take beside what those of every target take."""

from __future__ import annotations

from ...spec.components import ComputeClusterArgs
from ...spec.compute import WorkspaceRef
from ...spec.fields import Model, ignored, key
from .settings import DockerSettings


class DockerDatastoreArgs(Model):
    """Data that jobs in containers read or write: exactly one of source, volume and hostFolder."""

    workspace: WorkspaceRef = ignored(description="The `ref` output of a Workspace.")
    source: str | None = ignored(
        None, description="A folder or any fsspec URL; it is copied into the containers.", example="./data"
    )
    volume: str | None = ignored(
        None, description="The name of a Docker volume; it is mounted.", example="digits"
    )
    host_folder: str | None = ignored(
        None, description="An absolute folder of the daemon's machine; it is mounted.", example="/data/digits"
    )
    name: str | None = key(
        None, description="The datastore's name; the resource's name by default.", example="digits"
    )


class DockerClusterArgs(ComputeClusterArgs):
    """How much may run at once, and what a container may use."""

    docker_host: str | None = ignored(
        None,
        description="The daemon; DOCKER_HOST or the current docker context by default.",
        example="tcp://gpu-box:2376",
    )
    tls: str | None = ignored(
        None,
        description="The folder that has ca.pem, cert.pem and key.pem for a daemon reached by TCP.",
        example="~/.docker/gpu-box",
    )
    user: str | None = ignored(
        None,
        description="Who runs in a container, by number; the image's own user by default.",
        example="1000:1000",
    )
    settings: DockerSettings | None = ignored(
        None, description="All of these together, typed; in place of the single ones, or beside them."
    )
