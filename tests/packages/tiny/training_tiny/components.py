"""The components of the target: what every target has, under its own tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pulumi

from pulumi_training.declare.places import ClusterSize, ComputeClusterBase, DatastoreBase, WorkspaceBase

if TYPE_CHECKING:
    from pulumi_training.spec.settings import TargetSettings


class Workspace(WorkspaceBase):
    """Where the records of its runs are kept."""

    token = "training:tiny:Workspace"
    target = "tiny"


class Datastore(DatastoreBase):
    """Data that jobs read or write."""

    token = "training:tiny:Datastore"
    required = ("workspace", "source")

    def __init__(
        self,
        resource_name: str,
        *,
        workspace: Workspace | pulumi.Input[Any],
        source: pulumi.Input[str],
        name: str | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declares a datastore.

        Args:
            resource_name: The resource's name, and the datastore's own unless `name` is given.
            workspace: The Workspace it belongs to.
            source: A folder, relative to the program's folder, or any fsspec URL.
            name: The datastore's name: lower-case letters, digits and hyphens.
            opts: Pulumi's own options.

        Raises:
            SpecError: the name cannot be one.
        """
        super().__init__(resource_name, workspace, source, name, opts)


class ComputeCluster(ComputeClusterBase):
    """How much may run at once."""

    token = "training:tiny:ComputeCluster"

    def __init__(
        self,
        resource_name: str,
        *,
        workspace: Workspace | pulumi.Input[Any],
        max_nodes: pulumi.Input[int] = 1,
        slots_per_node: pulumi.Input[int] = 1,
        gpus_per_node: pulumi.Input[int] = 0,
        price_per_node_hour: pulumi.Input[float] | None = None,
        memory: pulumi.Input[str] | None = None,
        cpus: pulumi.Input[str] | None = None,
        shm_size: pulumi.Input[str] | None = None,
        ulimits: pulumi.Input[str] | None = None,
        settings: pulumi.Input[Mapping[str, Any]] | None = None,
        name: str | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declares a cluster.

        Args:
            resource_name: The resource's name, and the cluster's own unless `name` is given.
            workspace: The Workspace it belongs to.
            max_nodes: The most nodes that a run may use.
            slots_per_node: Places for processes on a node.
            gpus_per_node: GPUs on a node.
            price_per_node_hour: What a node costs in an hour; makes outputs tell the cost.
            memory: The most memory of a container, as `16g`; of no use here, as all four, which are taken so that a
                program can change its target.
            cpus: The most cores of a container, as `4`.
            shm_size: The shared memory of a container, as `4g`.
            ulimits: Limits of a container's processes, as `memlock=-1,nofile=1024:65536`.
            settings: How the process runs, as `{"niceness": 10}`.
            name: The cluster's name: lower-case letters, digits and hyphens.
            opts: Pulumi's own options.

        Raises:
            SpecError: the name cannot be one, a count is no whole number in range, or a setting cannot be read.
        """
        size = ClusterSize(max_nodes, slots_per_node, gpus_per_node, price_per_node_hour)
        texts = {"memory": memory, "cpus": cpus, "shmSize": shm_size, "ulimits": ulimits}
        super().__init__(resource_name, workspace, size, name, opts, texts, settings)

    @classmethod
    def settings_model(cls) -> type[TargetSettings]:
        """See `ComputeClusterBase.settings_model`."""
        from .settings import TinySettings

        return TinySettings
