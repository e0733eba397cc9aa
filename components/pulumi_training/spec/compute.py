"""Where a run executes, as one flat object: the `ref` output of a ComputeCluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from .environment import EnvironmentSpec
from .fields import Model, ignored, inplace, key


class Reference(Model):
    """What one stack gives another: what a newer version of the other wrote in it is kept, and can be named."""

    model_config = ConfigDict(extra="allow")


def unknown_in(value: BaseModel, path: str) -> list[str]:
    """The paths of what is in a reference and this version does not know."""
    return [f"{path}.{name}" for name in value.model_extra or {}]


class WorkspaceRef(Reference):
    """A workspace: where the records of its runs are kept, and the target's own settings.

    Beside these properties there may be an object under the name of a target: its settings, typed (`spec.settings`).
    """

    target: str = key(description="The target: local, docker, kubernetes or azureml.", example="local")
    workspace: str = key(description="The workspace's name; part of every run id.", example="lab")
    store: str = ignored(
        description="Where records are kept: a folder or any fsspec URL. A relative folder is resolved against "
        "the program's folder.",
        example="./.training/lab",
    )
    settings: dict[str, str] = ignored(
        {},
        description="The target's own settings, each as a text.",
        deprecated="The object that has the target's name takes them typed.",
    )
    tracking_uri: str | None = ignored(
        None,
        description="Where MLflow runs are written: the address of a tracking server, or `workspace` for a store in "
        "the workspace's folder; none by default.",
        example="http://mlflow.example.com:5000",
    )


class ComputeRef(WorkspaceRef):
    """A cluster of a workspace: how many nodes, slots and GPUs a run may ask for, and what a node costs."""

    cluster: str = ignored(
        "default", description="The cluster's name; runs of one cluster share its slots.", example="cpu"
    )
    max_nodes: int = ignored(1, ge=1, description="The most nodes that a run may use.", example=2)
    slots_per_node: int = ignored(
        1, ge=1, description="Places for processes on a node; the most processes a node may run.", example=2
    )
    gpus_per_node: int = ignored(0, ge=0, description="GPUs on a node, shared out to its slots.", example=0)
    price_per_node_hour: float | None = inplace(
        None,
        ge=0,
        description="What a node costs in an hour, in any currency; makes preview and outputs tell costs.",
        example=3.06,
    )

    @property
    def settings_given(self) -> Mapping[str, Any]:
        """What `spec.settings` reads: the old map, and the object of each target."""
        return {**(self.model_extra or {}), "target": self.target, "settings": self.settings}


class EnvironmentRef(Reference):
    """An environment made by an Environment resource: its `ref` output.

    It carries its declaration, so that another machine can make it again.
    """

    id: str = ignored(description="The resource's id.")
    digest: str = key(description="The digest of what is installed.")
    target: str = ignored(
        description="The target it was made for. One of `local`, `docker`, `kubernetes`, `azureml`."
    )
    location: str = ignored(description="Where it is: a folder, or an image.")
    spec: EnvironmentSpec = ignored(description="What is installed.")
    source_directory: str = ignored(".", description="The folder that its files are relative to.")
