"""The setting of the backend: where it keeps its nodes."""

from __future__ import annotations

from pulumi_training.spec.settings import TargetSettings, address


class NamespaceSettings(TargetSettings):
    """Where the nodes are."""

    folder: str | None = address(description="The backend's folder.", example="/srv/nodes")
