"""A tracked run in a container: it logs in to a server at the daemon's bridge, as its driver does, to the same MLflow run."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import daemon
import psutil
import pulumi
import pytest
from lab import Lab, eventually
from mlflow_server import LOGIN, MlflowServer

from pulumi_training import docker as containers
from pulumi_training.targets.containers import names

pytestmark = [pytest.mark.engine, pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(300)]
mlflow = pytest.importorskip("mlflow")

SCRIPT = """
    import mlflow
    mlflow.log_param("depth", 3)
    mlflow.log_metric("own", 0.25, step=1)
    report(step=0, loss=0.5)
    open("outputs/model.txt", "w").write("a model")
"""


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    daemon.base_image()
    client = daemon.connect()
    bridge = client.networks.get("bridge").attrs["Options"]["com.docker.network.bridge.name"]
    client.close()
    (address,) = (a.address for a in psutil.net_if_addrs()[bridge] if a.family is socket.AF_INET)
    made = MlflowServer(tmp_path_factory.mktemp("server"), LOGIN, host=address)
    made.start()
    yield made
    made.stop()


def test_a_container_logs_to_the_run_of_its_driver(
    lab: Lab, server: MlflowServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, password = LOGIN
    bundle = os.environ.get("SSL_CERT_FILE")
    lab.write(SCRIPT)
    lab.settings["environment"] = {
        "image": daemon.BASE,
        "pipPackages": [f"mlflow-skinny=={mlflow.__version__}"],
        **({"caBundle": bundle} if bundle else {}),
    }

    def declare() -> None:
        secret = {
            "MLFLOW_TRACKING_USERNAME": user,
            "MLFLOW_TRACKING_PASSWORD": pulumi.Output.secret(password),
        }
        workspace = containers.Workspace("lab", tracking_uri=server.uri)
        cluster = containers.ComputeCluster("cpu", workspace=workspace, slots_per_node=2)
        lab.job("fit", cluster, secret_environment_variables=secret)

    stack = lab.stack(declare)
    stack.up().succeeded()
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", user)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password)
    client = mlflow.MlflowClient(tracking_uri=server.uri)
    run_id = lab.job_state(stack)["outputs"]["mlflowRunId"]
    # The script's own MLflow ends the run too, when its process does.
    run = eventually(
        lambda: (r := client.get_run(run_id)).data.tags.get("training.reason")
        and r.info.status != "RUNNING"
        and r,
        "the MLflow run has ended",
    )
    assert run.info.status == "FINISHED" and run.data.tags["training.reason"] == "Completed"
    assert run.data.metrics == {"own": 0.25, "loss": 0.5}
    assert run.data.params["depth"] == "3"
    assert {"outputs", "logs"} <= {each.path for each in client.list_artifacts(run_id)}
    experiment = client.get_experiment(run.info.experiment_id)
    assert len(client.search_runs([experiment.experiment_id])) == 1, "the script's run is the driver's"
    assert stack.preview().succeeded().steps()["fit"] == "same"
    stack.destroy().succeeded()
    assert daemon.objects(f"{names.RUN}={lab.attempts()[0]['run_id']}") == []
    assert client.get_run(run_id).data.metrics["loss"] == 0.5, "what was tracked stays"
