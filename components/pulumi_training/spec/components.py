"""What Environment and the components of each target take and give back."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

from pydantic import Field

from .compute import ComputeRef, EnvironmentRef, WorkspaceRef
from .environment import EnvironmentSpec
from .fields import Model, ignored, inplace, key


class EnvironmentArgs(EnvironmentSpec):
    """Software made once and shared by many jobs."""

    target: str | None = ignored(
        None,
        description="The target it is made for, `local` or `docker`; local by default.",
        example="docker",
    )
    docker_host: str | None = ignored(
        None,
        description="With target docker, the daemon that builds it; DOCKER_HOST or the current docker context by default.",
        example="tcp://builder.example.com:2376",
    )
    tls: str | None = ignored(
        None,
        description="The folder that has ca.pem, cert.pem and key.pem for a daemon reached by TCP.",
        example="~/.docker/builder",
    )
    source_directory: str = ignored(
        ".", description="The folder that requirements and conda files are relative to.", example="./src"
    )


class EnvironmentOutputs(Model):
    """Output properties of `Environment`."""

    ref: EnvironmentRef = ignored(description="What a job's `environmentRef` takes.")
    digest: str = ignored(description="The digest of what is installed.")
    location: str = ignored(description="Where it is: a folder, or an image.")
    image: str | None = ignored(
        None, description="What containers are started from: the image by its digest or id."
    )
    build_log: str | None = ignored(
        None, description="The file with the whole output of its build, where it was built on this machine."
    )
    packages: list[str] = ignored([], description="Every installed package with its version.")
    warnings: list[str] = ignored([], description="What a person should know about it.")


class WorkspaceArgs(Model):
    """Where the records of its runs are kept."""

    name: str | None = key(
        None,
        description="The workspace's name, a part of every run id; the resource's name by default.",
        example="lab",
    )
    store: str | None = ignored(
        None,
        description="Where records are kept: a folder or any fsspec URL; `./.training/<name>` by default.",
        example="s3://team-bucket/training",
    )
    tracking_uri: str | None = ignored(
        None,
        description="The MLflow tracking server that every run is written to.",
        example="http://mlflow.example.com:5000",
    )
    tracking: bool | None = ignored(
        None,
        description="Whether every run is written to MLflow: in a store in the workspace's folder where "
        "`trackingUri` names no server; true by default where it names one.",
        example=True,
    )


class WorkspaceOutputs(Model):
    """Output properties of a Workspace."""

    ref: WorkspaceRef = ignored(description="What datastores and clusters take.")
    name: str = ignored(description="The workspace's name.")
    store: str = ignored(description="Where records are kept.")


class DatastoreArgs(Model):
    """Data that jobs read or write."""

    workspace: WorkspaceRef = ignored(description="The `ref` output of a Workspace.")
    source: str = ignored(description="A folder or any fsspec URL.", example="./data")
    name: str | None = key(
        None, description="The datastore's name; the resource's name by default.", example="digits"
    )


class DatastoreOutputs(Model):
    """Output properties of a Datastore."""

    name: str = ignored(description="The datastore's name.")
    uri: str = ignored(description="The folder or URL.")


class ComputeClusterArgs(Model):
    """How much may run at once."""

    workspace: WorkspaceRef = ignored(description="The `ref` output of a Workspace.")
    name: str | None = ignored(
        None, description="The cluster's name; the resource's name by default.", example="cpu"
    )
    max_nodes: Annotated[int, Field(ge=1)] = ignored(
        1, description="The most nodes that a run may use.", example=2
    )
    slots_per_node: Annotated[int, Field(ge=1)] = ignored(
        1, description="Places for processes on a node.", example=2
    )
    gpus_per_node: Annotated[int, Field(ge=0)] = ignored(0, description="GPUs on a node.", example=0)
    price_per_node_hour: float | None = ignored(
        None, description="What a node costs in an hour.", example=3.06
    )
    memory: str | None = ignored(
        None,
        description="The most memory of a container, where nodes are containers; no limit by default.",
        example="16g",
    )
    cpus: str | None = ignored(
        None,
        description="The most cores of a container, where nodes are containers; no limit by default.",
        example="4",
    )
    shm_size: str | None = ignored(
        None,
        description="The shared memory of a container, where nodes are containers; 2g by default. The job's own wins.",
        example="4g",
    )
    ulimits: str | None = ignored(
        None,
        description="Limits of a container's processes, where nodes are containers.",
        example="memlock=-1,nofile=1024:65536",
        deprecated="`settings` takes them as a list.",
    )


class ComputeClusterOutputs(Model):
    """Output properties of a ComputeCluster."""

    ref: ComputeRef = ignored(description="What a job's `compute` takes.")
    name: str = ignored(description="The cluster's name.")


class Goal(str, Enum):
    """Which end of a metric is the better one."""

    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"


class RecordRetentionArgs(Model):
    """How many records a workspace keeps; a removed one leaves a tombstone that still answers."""

    workspace: WorkspaceRef | None = ignored(None, description="The `ref` output of a Workspace.")
    keep_last: Annotated[int, Field(ge=0)] | None = inplace(
        None, description="How many of the last runs.", example=20
    )
    keep_best: Annotated[int, Field(ge=1)] | None = inplace(
        None, description="How many of the best, by `metric`.", example=3
    )
    metric: str | None = inplace(
        None, description="The metric that says which are the best.", example="accuracy"
    )
    goal: Goal = inplace(Goal.MAXIMIZE, description="Whether more of the metric is better.")
    job: str | None = inplace(None, description="Only the runs of jobs of this name.", example="fit")


class RecordRetentionOutputs(Model):
    """Output properties of `RecordRetention`."""

    pruned: list[str] = ignored(
        [], description="The ids of the runs whose records were removed, the last 1000."
    )
