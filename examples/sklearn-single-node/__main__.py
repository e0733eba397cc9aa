"""One process, no MPI: the simplest thing that works."""

import pulumi

import pulumi_training as training
from pulumi_training import local as target

lab = target.Workspace("lab")
machine = target.ComputeCluster("machine", workspace=lab)

fit = training.TrainingJob(
    "fit",
    compute=machine,
    source_directory="./src",
    entry_script="train.py",
    script_params={"--C": 10.0, "--gamma": 0.001},
    pip_packages=["scikit-learn"],
    expect={"accuracy": ">=0.95"},
)

pulumi.export("outputs", fit.outputs_location)
pulumi.export("metrics", fit.metrics)
