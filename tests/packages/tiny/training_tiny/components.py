"""The components of the target: what every target has, under its own tokens."""

from __future__ import annotations

from typing import Any

import pulumi

from pulumi_training.declare.places import ClusterSize, ComputeClusterBase, DatastoreBase, WorkspaceBase


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
        workspace: Any,
        source: pulumi.Input[str],
        name: str | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declares a datastore."""
        super().__init__(resource_name, workspace, source, name, opts)


class ComputeCluster(ComputeClusterBase):
    """How much may run at once."""

    token = "training:tiny:ComputeCluster"

    def __init__(
        self,
        resource_name: str,
        *,
        workspace: Any,
        max_nodes: pulumi.Input[int] = 1,
        slots_per_node: pulumi.Input[int] = 1,
        name: str | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declares a cluster."""
        super().__init__(resource_name, workspace, ClusterSize(max_nodes, slots_per_node), name, opts)
