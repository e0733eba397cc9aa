"""What is known of the service's target before it is loaded."""

from __future__ import annotations

from pulumi_training.targets import catalog
from pulumi_training.targets.contract.descriptor import TargetDescriptor
from unattended.names import TARGET

DESCRIPTOR = TargetDescriptor(
    name=TARGET,
    where="a server of the tests",
    state="tests only",
    target="unattended.target:UnattendedTarget",
    components="pulumi_training.targets.local.components",
    settings="unattended.settings:UnattendedSettings",
)


def register() -> None:
    """Makes the target one of this process's."""
    catalog._OURS[TARGET] = "unattended.descriptor:DESCRIPTOR"


def unregister() -> None:
    """Takes it away again."""
    catalog._OURS.pop(TARGET, None)
