"""What is known of the target before anything of it is loaded."""

from pulumi_training.targets.contract.descriptor import TargetDescriptor

DESCRIPTOR = TargetDescriptor(
    name="tiny",
    where="one process on this machine",
    state="for tests",
    target="training_tiny.target:TinyTarget",
    components="training_tiny.components",
    cluster_arguments="training_tiny.arguments:TinyClusterArgs",
    settings="training_tiny.settings:TinySettings",
    doctor="training_tiny.doctor:checks",
)
