"""PyTorch DistributedDataParallel: two nodes with two processes each, gloo between them."""

import pulumi

from pulumi_training import Experiment, Gloo, PyTorch
from pulumi_training import local as target

settings = pulumi.Config()
interpreter = settings.get("interpreter")  # a Python that has PyTorch; without one it is installed

lab = target.Workspace("lab")
digits = target.Datastore("digits", workspace=lab, source="../../stacks/quickstart/data")
cluster = target.ComputeCluster("cpu", workspace=lab, max_nodes=2, slots_per_node=2)

estimator = PyTorch(
    "./src",
    compute_target=cluster,
    entry_script="train.py",
    script_params={"--data": digits.as_mount(), "--epochs": 8},
    node_count=2,
    process_count_per_node=2,
    distributed_training=Gloo(),
    environment_variables={"OMP_NUM_THREADS": 1},
    expect={"accuracy": ">=0.9"},
    **({"user_managed": True, "interpreter": interpreter} if interpreter else {}),
)
run = Experiment(lab, "ddp").submit(estimator)

pulumi.export("run", run.id)
pulumi.export("metrics", run.get_metrics())
pulumi.export("outputs", run.outputs_location)
