"""The local target: `from pulumi_training import local as target`."""

from .resources.local import ComputeCluster, Datastore, Workspace

__all__ = ["ComputeCluster", "Datastore", "Workspace"]
