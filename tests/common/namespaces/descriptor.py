"""What is known of the target before it is loaded."""

from __future__ import annotations

from pulumi_training.targets import catalog
from pulumi_training.targets.contract.descriptor import TargetDescriptor

TARGET = "namespaces"
FOLDER = "folder"
"""The setting of the cluster, and the part of an address: where the backend keeps its nodes."""
DESCRIPTOR = TargetDescriptor(
    name=TARGET,
    where="namespaces of this machine",
    state="tests only",
    target="namespaces.target:NamespaceTarget",
    components="pulumi_training.targets.local.components",
    settings="namespaces.settings:NamespaceSettings",
)


def register() -> None:
    """Makes the target one of this process's."""
    catalog._OURS[TARGET] = "namespaces.descriptor:DESCRIPTOR"


def unregister() -> None:
    """Takes it away again."""
    catalog._OURS.pop(TARGET, None)
