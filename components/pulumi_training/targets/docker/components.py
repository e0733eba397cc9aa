"""The components of the Docker target: a Docker Engine, near or far, as workspace, datastore and cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pulumi

from ...declare.places import ClusterSize, ComputeClusterBase, DatastoreBase, WorkspaceBase
from ...declare.program import output
from ...spec.errors import Problem, SpecError

if TYPE_CHECKING:
    from ...spec.settings import TargetSettings


class Workspace(WorkspaceBase):
    """Where the records of its runs are kept: a folder of this machine, or any fsspec URL.

    A relative folder is resolved against the program's folder, and stays relative in state, so that another
    checkout does not differ.
    """

    token = "training:docker:Workspace"
    target = "docker"


class Datastore(DatastoreBase):
    """Data that jobs read or write: a volume or a folder of the daemon's machine, a folder here, or any fsspec URL.

    Volumes and host folders are mounted. The daemon may be another machine, so a folder here and an object store
    are copied into the containers, and what a script writes for them is copied back.
    """

    token = "training:docker:Datastore"
    parameters = {"source": "source", "volume": "volume", "hostFolder": "host_folder"}

    def __init__(
        self,
        resource_name: str,
        *,
        workspace: Workspace | pulumi.Input[Any],
        source: pulumi.Input[str] | None = None,
        volume: pulumi.Input[str] | None = None,
        host_folder: pulumi.Input[str] | None = None,
        name: str | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declares a datastore by one of `source`, `volume` and `host_folder`.

        Args:
            resource_name: The resource's name, and the datastore's own unless `name` is given.
            workspace: The Workspace it belongs to.
            source: A folder, relative to the program's folder, or any fsspec URL; it is copied.
            volume: The name of a Docker volume; it is mounted, read-only for inputs.
            host_folder: An absolute folder of the daemon's machine; it is mounted, read-only for inputs.
            name: The datastore's name: lower-case letters, digits and hyphens.
            opts: Pulumi's own options.

        Raises:
            SpecError: the name cannot be one, or not exactly one place is given.
        """
        super().__init__(resource_name, workspace, _one_of(source, volume, host_folder), name, opts)


class ComputeCluster(ComputeClusterBase):
    """How much of a Docker daemon's machine runs may use at once: a node is a container."""

    token = "training:docker:ComputeCluster"
    parameters = {
        **ComputeClusterBase.parameters,
        "dockerHost": "docker_host",
        "tls": "tls",
        "user": "user",
    }

    def __init__(
        self,
        resource_name: str,
        *,
        workspace: Workspace | pulumi.Input[Any],
        max_nodes: pulumi.Input[int] = 1,
        slots_per_node: pulumi.Input[int] = 1,
        gpus_per_node: pulumi.Input[int] = 0,
        price_per_node_hour: pulumi.Input[float] | None = None,
        docker_host: pulumi.Input[str] | None = None,
        tls: pulumi.Input[str] | None = None,
        memory: pulumi.Input[str] | None = None,
        cpus: pulumi.Input[str] | None = None,
        shm_size: pulumi.Input[str] | None = None,
        ulimits: pulumi.Input[str] | None = None,
        user: pulumi.Input[str] | None = None,
        settings: pulumi.Input[Mapping[str, Any]] | None = None,
        name: str | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declares a cluster.

        Args:
            resource_name: The resource's name, and the cluster's own unless `name` is given.
            workspace: The Workspace it belongs to.
            max_nodes: The most nodes (containers) that a run may use.
            slots_per_node: Places for processes on a node.
            gpus_per_node: GPUs given to a node; checked against what the daemon offers.
            price_per_node_hour: What a node costs in an hour; makes outputs tell the cost.
            docker_host: The daemon, as `unix:///var/run/docker.sock`, `tcp://host:2376` or `ssh://user@host`;
                DOCKER_HOST or the current docker context by default.
            tls: The folder that has ca.pem, cert.pem and key.pem for a daemon reached by TCP.
            memory: The most memory of a container, as `16g`; no limit by default.
            cpus: The most cores of a container, as `4`; no limit by default, because a throttled rank makes all
                others wait.
            shm_size: The shared memory of a container, as `4g`; 2g by default. The job's own wins.
            ulimits: Limits of a container's processes, as `memlock=-1,nofile=1024:65536`; `settings` takes a list.
            user: Who runs in the container, by number, as `1000:1000`; the image's own user by default.
            settings: All of these typed, in place of the single ones or beside them: `{"memory": "16g", "cpus": 1.5,
                "ulimits": [{"name": "nofile", "soft": 1024, "hard": 65536}]}`. Sizes are bytes or have the unit b, k, m, g
                or t, as powers of 1024. A cluster that is used from another stack needs this version there too.
            name: The cluster's name: lower-case letters, digits and hyphens.
            opts: Pulumi's own options.

        Raises:
            SpecError: the name cannot be one, a count is no whole number in range, or a setting cannot be read.
        """
        size = ClusterSize(max_nodes, slots_per_node, gpus_per_node, price_per_node_hour)
        texts = {
            "dockerHost": docker_host,
            "tls": tls,
            "memory": memory,
            "cpus": cpus,
            "shmSize": shm_size,
            "ulimits": ulimits,
            "user": user,
        }
        super().__init__(resource_name, workspace, size, name, opts, texts, settings)

    @classmethod
    def settings_model(cls) -> type[TargetSettings]:
        """See `ComputeClusterBase.settings_model`."""
        from .settings import DockerSettings

        return DockerSettings


def _one_of(
    source: pulumi.Input[str] | None, volume: pulumi.Input[str] | None, host_folder: pulumi.Input[str] | None
) -> pulumi.Input[str]:
    given = [value for value in (source, volume, host_folder) if value is not None]
    if len(given) != 1:
        raise SpecError(
            Problem("source", "give exactly one of source, volume and hostFolder, as source='./data'")
        )
    if source is not None:
        return source
    scheme, value = ("volume://", volume) if volume is not None else ("host://", host_folder)
    if isinstance(value, str):
        return _checked(scheme, value)
    return output(value).apply(lambda text: _checked(scheme, str(text)))


def _checked(scheme: str, value: str) -> str:
    if scheme == "host://" and not value.startswith("/"):
        raise SpecError(
            Problem(
                "hostFolder",
                f"{value} is not an absolute folder of the daemon's machine; write one, as /data",
            )
        )
    if not value.strip("/"):
        raise SpecError(Problem("volume", "is empty; write the name of a Docker volume"))
    return f"{scheme}{value}"
