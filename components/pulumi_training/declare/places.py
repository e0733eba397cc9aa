"""What the components of every target have in common: workspace, datastore, cluster."""

from __future__ import annotations

import importlib
import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import pulumi

from ..spec.errors import Problem, SpecError
from ..spec.tracking import IN_WORKSPACE
from .cluster_settings import typed_settings
from .component import Component, checked_count, checked_name
from .data_reference import DataReference
from .program import from_here, joined, output, reference_of

if TYPE_CHECKING:
    from ..spec.settings import TargetSettings

W = TypeVar("W", bound="WorkspaceBase")
P = TypeVar("P", bound="PlaceComponent")


class WorkspaceBase(Component):
    """Where the records of its runs are kept."""

    target: ClassVar[str]

    def __init__(
        self,
        resource_name: str,
        *,
        name: str | None = None,
        store: pulumi.Input[str] | None = None,
        tracking_uri: pulumi.Input[str] | None = None,
        tracking: bool | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declares a workspace.

        Args:
            resource_name: The resource's name, and the workspace's own unless `name` is given.
            name: The workspace's name, a part of every run id: lower-case letters, digits and hyphens.
            store: Where records are kept; `./.training/<name>` by default.
            tracking_uri: The MLflow tracking server that every run is written to, as `http://host:5000`.
            tracking: True writes every run to MLflow, in a store in the workspace's folder where `tracking_uri`
                names no server; False writes none; by default runs are tracked where `tracking_uri` is given.
            opts: Pulumi's own options.

        Raises:
            SpecError: the name cannot be one.
        """
        self.workspace_name = checked_name(name, resource_name)
        chosen: pulumi.Input[str] = store if store is not None else f"./.training/{self.workspace_name}"
        chosen = from_here(chosen)
        self.store = output(chosen)
        reference: dict[str, Any] = {
            "target": self.target, "workspace": self.workspace_name, "store": chosen
        }  # fmt: skip
        if tracking or (tracking is None and tracking_uri is not None):
            reference["trackingUri"] = tracking_uri if tracking_uri is not None else IN_WORKSPACE
        self.reference: Any = reference
        self.ref = output(reference)
        super().__init__(
            resource_name, {"ref": reference, "name": self.workspace_name, "store": chosen}, opts
        )

    @classmethod
    def from_construct(cls: type[W], name: str, inputs: Any, options: pulumi.ResourceOptions | None) -> W:
        """See `Component.from_construct`."""
        return cls(
            name,
            name=inputs.get("name"),
            store=inputs.get("store"),
            tracking_uri=inputs.get("trackingUri"),
            tracking=inputs.get("tracking"),
            opts=options,
        )


class PlaceComponent(Component):
    """A component of a workspace. `parameters` maps the wire names of its own inputs to those of its class."""

    parameters: ClassVar[Mapping[str, str]] = {}
    required: ClassVar[tuple[str, ...]] = ("workspace",)

    @classmethod
    def from_construct(cls: type[P], name: str, inputs: Any, options: pulumi.ResourceOptions | None) -> P:
        """See `Component.from_construct`; what is not given is left to the class's defaults.

        Raises:
            SpecError: at a required input that is missing.
        """
        missing = [wire for wire in cls.required if inputs.get(wire) is None]
        if missing:
            raise SpecError([Problem(wire, f"is missing; {cls.token} needs it") for wire in missing])
        declare: Callable[..., P] = cls
        given = {
            parameter: inputs[wire]
            for wire, parameter in {"workspace": "workspace", "name": "name", **cls.parameters}.items()
            if inputs.get(wire) is not None
        }
        return declare(name, opts=options, **given)


class DatastoreBase(PlaceComponent):
    """Data that jobs read or write."""

    parameters = {"source": "source"}

    def __init__(
        self,
        resource_name: str,
        workspace: WorkspaceBase | pulumi.Input[Any],
        source: pulumi.Input[str],
        name: str | None,
        opts: pulumi.ResourceOptions | None,
    ) -> None:
        self.datastore_name = checked_name(name, resource_name)
        self.uri = output(source)
        self._source = source
        super().__init__(resource_name, {"name": self.datastore_name, "uri": source}, _below(workspace, opts))

    def path(self, path_on_datastore: str = "", *, name: str | None = None) -> Folder:
        """A folder inside the datastore, by default all of it; its name is derived from the path unless given.

        Raises:
            SpecError: the path leads out of the datastore.
        """
        if not isinstance(path_on_datastore, str) or ".." in path_on_datastore.split("/"):
            raise SpecError(
                Problem(
                    "path_on_datastore",
                    f"{path_on_datastore!r} is no path inside the datastore; write a relative one",
                )
            )
        if not path_on_datastore.strip("./"):
            return Folder(name or self.datastore_name, self._source)
        below_it = path_on_datastore.lstrip("/")
        derived = f"{self.datastore_name}-{re.sub(r'[^A-Za-z0-9_.-]+', '-', path_on_datastore.strip('/'))}"
        if isinstance(self._source, str):
            return Folder(name or derived, posixpath.join(self._source, below_it))
        below = output(self._source).apply(lambda uri: posixpath.join(uri, below_it))
        return Folder(name or derived, below)

    def as_mount(
        self, *, path_on_compute: str | None = None, fingerprint: str | None = None
    ) -> DataReference:
        """The data in place, as far as the target can; what it cannot mount is copied."""
        return Folder(self.datastore_name, self._source).as_mount(
            path_on_compute=path_on_compute, fingerprint=fingerprint
        )

    def as_download(
        self, *, path_on_compute: str | None = None, fingerprint: str | None = None
    ) -> DataReference:
        """A copy of the data."""
        return Folder(self.datastore_name, self._source).as_download(
            path_on_compute=path_on_compute, fingerprint=fingerprint
        )

    def as_upload(self, *, path_on_compute: str | None = None) -> DataReference:
        """A folder that the script writes and that is delivered to the datastore when it succeeded."""
        return Folder(self.datastore_name, self._source).as_upload(path_on_compute=path_on_compute)

    def upload(
        self, src_dir: str, target_path: str = "", *, overwrite: bool = False, show_progress: bool = True
    ) -> Folder:
        """Copies a folder of this machine into the datastore, now, and gives the place where it lies.

        What is there with the same content is not sent again, so that a broken upload goes on where it
        stopped; with other content it is left alone unless `overwrite`.

        Raises:
            SpecError: there is no such folder, or the datastore cannot be reached from here.
            PermanentError: the store does not take it.
        """
        _transfers().upload(self._here(), src_dir, target_path, overwrite, show_progress)
        return self.path(target_path)

    def upload_files(
        self,
        files: Sequence[str],
        relative_root: str | None = None,
        target_path: str = "",
        *,
        overwrite: bool = False,
        show_progress: bool = True,
    ) -> Folder:
        """As `upload`, for single files; each keeps its path below `relative_root`, by default their common folder.

        Raises:
            SpecError: as `upload`, or a file is not below `relative_root`.
            PermanentError: as `upload`.
        """
        _transfers().upload_files(self._here(), files, relative_root, target_path, overwrite, show_progress)
        return self.path(target_path)

    def download(
        self, target_path: str, prefix: str = "", *, overwrite: bool = False, show_progress: bool = True
    ) -> int:
        """Copies what lies in the datastore below `prefix` to a folder of this machine; the number of files that came.

        Every file is checked by its size, and by its checksum where the store tells one. A broken download
        goes on where it stopped; a file that is there with other content is left alone unless `overwrite`.

        Raises:
            SpecError: there is nothing there; names what looks like it.
            PermanentError: the store does not give it.
        """
        return int(_transfers().download(self._here(), target_path, prefix, overwrite, show_progress))

    def _here(self) -> str:
        if isinstance(self._source, str):
            return self._source
        raise SpecError(
            Problem(
                "source", "is known only once it is deployed; upload to a datastore whose source is a text"
            )
        )


def _transfers() -> Any:
    """What moves data now. By its name: a program that only declares must not import it."""
    return importlib.import_module("pulumi_training.client.datastore")


class Folder:
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


class ComputeClusterBase(PlaceComponent):
    """How much runs may use at once; slots are shared first come, first served."""

    parameters = {
        "maxNodes": "max_nodes",
        "slotsPerNode": "slots_per_node",
        "gpusPerNode": "gpus_per_node",
        "pricePerNodeHour": "price_per_node_hour",
        "memory": "memory",
        "cpus": "cpus",
        "shmSize": "shm_size",
        "ulimits": "ulimits",
        "settings": "settings",
    }

    def __init__(
        self,
        resource_name: str,
        workspace: WorkspaceBase | pulumi.Input[Any],
        size: ClusterSize,
        name: str | None,
        opts: pulumi.ResourceOptions | None,
        texts: Mapping[str, pulumi.Input[str] | None] | None = None,
        settings: pulumi.Input[Mapping[str, Any]] | None = None,
    ) -> None:
        """`texts` are the settings that are given one by one, by wire name, `settings` those that are given typed.

        Each goes on in the form in which it came: consumers of an older version know the texts only.
        """
        cluster = checked_name(name, resource_name)
        own: dict[str, Any] = {
            "cluster": cluster,
            "maxNodes": checked_count("maxNodes", size.max_nodes, 1),
            "slotsPerNode": checked_count("slotsPerNode", size.slots_per_node, 1),
            "gpusPerNode": checked_count("gpusPerNode", size.gpus_per_node, 0),
        }
        if size.price_per_node_hour is not None:
            own["pricePerNodeHour"] = size.price_per_node_hour
        given = {key: value for key, value in (texts or {}).items() if value is not None}
        if given:
            own["settings"] = given
        if settings is not None:
            own[self.token.split(":")[1]] = typed_settings(self.settings_model(), given, settings)
        # As one Output all of it were secret where a part is: as an object each part is what it is.
        base = reference_of(workspace)
        self.reference: Any = {**base, **own} if isinstance(base, Mapping) else joined(base, own)
        self.ref = output(self.reference)
        super().__init__(resource_name, {"ref": self.reference, "name": cluster}, _below(workspace, opts))

    @classmethod
    def settings_model(cls) -> type[TargetSettings]:
        """The model of the target's settings; imported only for a program that gives them typed."""
        from ..spec.settings import UnlimitedSettings

        return UnlimitedSettings


@dataclass(frozen=True)
class ClusterSize:
    """How many nodes, and what is on each."""

    max_nodes: pulumi.Input[int] = 1
    slots_per_node: pulumi.Input[int] = 1
    gpus_per_node: pulumi.Input[int] = 0
    price_per_node_hour: pulumi.Input[float] | None = None


def _below(workspace: object, opts: pulumi.ResourceOptions | None) -> pulumi.ResourceOptions | None:
    """Shows a datastore or cluster under its workspace, unless the program says otherwise."""
    if not isinstance(workspace, WorkspaceBase) or (opts is not None and opts.parent is not None):
        return opts
    return pulumi.ResourceOptions.merge(pulumi.ResourceOptions(parent=workspace), opts)
