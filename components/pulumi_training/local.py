"""The local target: `from pulumi_training import local as target`."""

from .targets.local.components import ComputeCluster, Datastore, Workspace

__all__ = ["ComputeCluster", "Datastore", "Workspace"]
