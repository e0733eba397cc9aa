"""The local target: runs of this machine."""

from ..contract.descriptor import Feature, TargetDescriptor

DESCRIPTOR = TargetDescriptor(
    name="local",
    where="this machine: uv environments, Open MPI from a wheel, nodes in name only",
    state="yes; tested on Linux, made for macOS too",
    target="pulumi_training.targets.local.target:LocalTarget",
    components="pulumi_training.targets.local.components",
    cluster_arguments="pulumi_training.targets.local.arguments:LocalClusterArgs",
    settings="pulumi_training.targets.local.settings:LocalSettings",
    environment="pulumi_training.targets.local.environment:EnvironmentMaker",
    features=frozenset({Feature.THIS_MACHINE}),
)
