"""The components of the local target: this machine as workspace, datastore and cluster."""

from __future__ import annotations

import posixpath
import re
from typing import Any

import pulumi

from .component import Component, checked_count, checked_name
from .data_reference import DataReference
from .program import joined, output


class Workspace(Component):
    """Where the records of its runs are kept: a folder of this machine, or any fsspec URL.

    A relative folder is resolved against the program's folder, and stays relative in state, so that another
    checkout does not differ.
    """

    token = "training:local:Workspace"

    def __init__(
        self,
        resource_name: str,
        *,
        name: str | None = None,
        store: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declares a workspace.

        Args:
            resource_name: The resource's name, and the workspace's own unless `name` is given.
            name: The workspace's name, a part of every run id: lower-case letters, digits and hyphens.
            store: Where records are kept; `./.training/<name>` by default.
            opts: Pulumi's own options.

        Raises:
            SpecError: the name cannot be one.
        """
        self.workspace_name = checked_name(name, resource_name)
        chosen: pulumi.Input[str] = store if store is not None else f"./.training/{self.workspace_name}"
        self.store = output(chosen)
        reference = {"target": "local", "workspace": self.workspace_name, "store": chosen}
        self.ref = output(reference)
        super().__init__(
            resource_name, {"ref": reference, "name": self.workspace_name, "store": chosen}, opts
        )

    @classmethod
    def from_construct(cls, name: str, inputs: Any, options: pulumi.ResourceOptions | None) -> Workspace:
        """See `Component.from_construct`."""
        return cls(name, name=inputs.get("name"), store=inputs.get("store"), opts=options)


class Datastore(Component):
    """Data that jobs read or write: a folder, or any fsspec URL."""

    token = "training:local:Datastore"

    def __init__(
        self,
        resource_name: str,
        *,
        workspace: Workspace | pulumi.Input[Any],
        source: pulumi.Input[str],
        name: str | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declares a datastore; whether it exists is seen when a job uses it.

        Args:
            resource_name: The resource's name, and the datastore's own unless `name` is given.
            workspace: The Workspace it belongs to.
            source: A folder, relative to the program's folder, or any fsspec URL.
            name: The datastore's name: lower-case letters, digits and hyphens.
            opts: Pulumi's own options.

        Raises:
            SpecError: the name cannot be one.
        """
        self.datastore_name = checked_name(name, resource_name)
        self.uri = output(source)
        self._source = source
        super().__init__(resource_name, {"name": self.datastore_name, "uri": source}, _below(workspace, opts))

    def path(self, path_on_datastore: str, *, name: str | None = None) -> _Folder:
        """A folder inside the datastore; its name is derived from the path unless given."""
        derived = f"{self.datastore_name}-{re.sub(r'[^A-Za-z0-9_.-]+', '-', path_on_datastore.strip('/'))}"
        if isinstance(self._source, str):
            return _Folder(name or derived, posixpath.join(self._source, path_on_datastore))
        below = output(self._source).apply(lambda uri: posixpath.join(uri, path_on_datastore))
        return _Folder(name or derived, below)

    def as_mount(
        self, *, path_on_compute: str | None = None, fingerprint: str | None = None
    ) -> DataReference:
        """The data in place: a link to the folder; an object store is copied on this target."""
        return _Folder(self.datastore_name, self._source).as_mount(
            path_on_compute=path_on_compute, fingerprint=fingerprint
        )

    def as_download(
        self, *, path_on_compute: str | None = None, fingerprint: str | None = None
    ) -> DataReference:
        """A copy of the data."""
        return _Folder(self.datastore_name, self._source).as_download(
            path_on_compute=path_on_compute, fingerprint=fingerprint
        )

    def as_upload(self, *, path_on_compute: str | None = None) -> DataReference:
        """A folder that the script writes and that is delivered to the datastore when it succeeded."""
        return _Folder(self.datastore_name, self._source).as_upload(path_on_compute=path_on_compute)

    @classmethod
    def from_construct(cls, name: str, inputs: Any, options: pulumi.ResourceOptions | None) -> Datastore:
        """See `Component.from_construct`."""
        return cls(
            name,
            workspace=inputs["workspace"],
            source=inputs["source"],
            name=inputs.get("name"),
            opts=options,
        )


class _Folder:
    """A named place in a datastore."""

    def __init__(self, name: str, uri: pulumi.Input[str]) -> None:
        self._name = name
        self._uri = uri

    def as_mount(
        self, *, path_on_compute: str | None = None, fingerprint: str | None = None
    ) -> DataReference:
        """See `Datastore.as_mount`."""
        return DataReference(self._name, self._uri, "mount", path_on_compute, fingerprint)

    def as_download(
        self, *, path_on_compute: str | None = None, fingerprint: str | None = None
    ) -> DataReference:
        """See `Datastore.as_download`."""
        return DataReference(self._name, self._uri, "download", path_on_compute, fingerprint)

    def as_upload(self, *, path_on_compute: str | None = None) -> DataReference:
        """See `Datastore.as_upload`."""
        return DataReference(self._name, self._uri, "upload", path_on_compute)


class ComputeCluster(Component):
    """How much of this machine runs may use at once: nodes are labels, slots are shared first come, first served."""

    token = "training:local:ComputeCluster"

    def __init__(
        self,
        resource_name: str,
        *,
        workspace: Workspace | pulumi.Input[Any],
        max_nodes: pulumi.Input[int] = 1,
        slots_per_node: pulumi.Input[int] = 1,
        gpus_per_node: pulumi.Input[int] = 0,
        price_per_node_hour: pulumi.Input[float] | None = None,
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
            name: The cluster's name: lower-case letters, digits and hyphens.
            opts: Pulumi's own options.

        Raises:
            SpecError: the name cannot be one, or a count is no whole number in range.
        """
        cluster = checked_name(name, resource_name)
        own = {
            "cluster": cluster,
            "maxNodes": checked_count("maxNodes", max_nodes, 1),
            "slotsPerNode": checked_count("slotsPerNode", slots_per_node, 1),
            "gpusPerNode": checked_count("gpusPerNode", gpus_per_node, 0),
        }
        if price_per_node_hour is not None:
            own["pricePerNodeHour"] = price_per_node_hour
        self.ref = joined(workspace.ref if isinstance(workspace, Workspace) else workspace, own)
        super().__init__(resource_name, {"ref": self.ref, "name": cluster}, _below(workspace, opts))

    @classmethod
    def from_construct(cls, name: str, inputs: Any, options: pulumi.ResourceOptions | None) -> ComputeCluster:
        """See `Component.from_construct`."""
        return cls(
            name,
            workspace=inputs["workspace"],
            max_nodes=inputs.get("maxNodes", 1),
            slots_per_node=inputs.get("slotsPerNode", 1),
            gpus_per_node=inputs.get("gpusPerNode", 0),
            price_per_node_hour=inputs.get("pricePerNodeHour"),
            name=inputs.get("name"),
            opts=options,
        )


def _below(workspace: Any, opts: pulumi.ResourceOptions | None) -> pulumi.ResourceOptions | None:
    """Shows a datastore or cluster under its workspace, unless the program says otherwise."""
    if not isinstance(workspace, Workspace) or (opts is not None and opts.parent is not None):
        return opts
    return pulumi.ResourceOptions.merge(pulumi.ResourceOptions(parent=workspace), opts)
