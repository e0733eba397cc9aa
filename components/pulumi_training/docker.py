"""The Docker target: `from pulumi_training import docker as target`."""

from .targets.docker.components import ComputeCluster, Datastore, Workspace

__all__ = ["ComputeCluster", "Datastore", "Workspace"]
