"""TensorFlow MultiWorkerMirroredStrategy: two workers, one on each node."""

import pulumi

from pulumi_training import Experiment, TensorFlow
from pulumi_training import local as target

settings = pulumi.Config()
package = settings.get("package") or "tensorflow"  # tensorflow-cpu is half as large

lab = target.Workspace("lab")
digits = target.Datastore("digits", workspace=lab, source="../../stacks/quickstart/data")
cluster = target.ComputeCluster("cpu", workspace=lab, max_nodes=2, slots_per_node=1)

estimator = TensorFlow(
    "./src",
    compute_target=cluster,
    entry_script="train.py",
    script_params={"--data": digits.as_mount(), "--epochs": 8},
    pip_packages=[package, "tensorboard"],
    node_count=2,
    worker_count=2,
    parameter_server_count=0,
    environment_variables={"TF_CPP_MIN_LOG_LEVEL": 2, "CUDA_VISIBLE_DEVICES": ""},
    expect={"accuracy": ">=0.9"},
)
run = Experiment(lab, "multiworker").submit(estimator)

pulumi.export("run", run.id)
pulumi.export("metrics", run.get_metrics())
pulumi.export("outputs", run.outputs_location)
