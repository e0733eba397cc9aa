"""The page's two samples as a Pulumi program: `submit` declares, and `pulumi up` trains."""

import pulumi

from pulumi_training import Estimator, Experiment
from pulumi_training import local as target

ws = target.Workspace("lab")
ds = target.Datastore("digits", workspace=ws, source="../../stacks/quickstart/data")
compute_target = target.ComputeCluster("cpu", workspace=ws, max_nodes=2)

sk_est = Estimator(
    source_directory="./my-project",
    script_params={"--data-folder": ds.as_mount(), "--regularization": 0.8},
    compute_target=compute_target,
    entry_script="train.py",
    conda_packages=["scikit-learn"],
)
run = Experiment(ws, "digits").submit(sk_est)

estimator = Estimator(
    source_directory="./my-distributed-project",
    compute_target=compute_target,
    entry_script="train.py",
    node_count=2,
    process_count_per_node=1,
    distributed_backend="mpi",
    pip_packages=["mpi4py"],
)
distributed = Experiment(ws, "pi").submit(estimator)

pulumi.export("status", run.get_details()["status"])
pulumi.export("metrics", run.get_metrics())
pulumi.export("files", run.get_file_names())
pulumi.export("pi", distributed.get_metrics())
