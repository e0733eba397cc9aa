"""Trains a digit classifier: two nodes, two processes on each, on this machine or in containers."""

import os

import pulumi

import pulumi_training as training

if os.environ.get("TRAINING_TARGET") == "docker":  # make up TARGET=docker
    from pulumi_training import docker as target
else:
    from pulumi_training import local as target  # docker, kubernetes, azure: the one line that changes

lab = target.Workspace("lab")
digits = target.Datastore("digits", workspace=lab, source="./data")
cluster = target.ComputeCluster("cpu", workspace=lab, max_nodes=2, slots_per_node=2)

fit = training.TrainingJob(
    "fit",
    compute=cluster,
    source_directory="./src",
    entry_script="train.py",
    script_params={"--data": digits.as_mount(), "--epochs": 12},
    pip_packages=["numpy", "mpi4py", "pillow", "tensorboardX"],
    node_count=2,
    process_count_per_node=2,
    distributed_backend="mpi",
    expect={"accuracy": ">=0.93"},
)

pulumi.export("model", pulumi.Output.concat(fit.outputs_location, "/model.npz"))
pulumi.export("accuracy", fit.metrics.apply(lambda metrics: (metrics or {}).get("accuracy")))
pulumi.export("outputs", fit.outputs_location)
pulumi.export("logs", fit.logs_location)
