"""A Docker daemon whose address is a secret: runs are made, found and removed there, and nothing has the address."""

from __future__ import annotations

import os
from pathlib import Path

import daemon
import pulumi
import pytest
from lab import Lab

from pulumi_training import docker as containers
from pulumi_training.driver.stop import cancel
from pulumi_training.record.record import Record
from pulumi_training.record.store import Store
from pulumi_training.spec.errors import TransientError
from pulumi_training.targets.containers import names
from pulumi_training.targets.withheld import given

pytestmark = [pytest.mark.engine, pytest.mark.docker, pytest.mark.slow]


def test_a_secret_daemon_is_used_and_written_nowhere(lab: Lab, tmp_path: Path) -> None:
    real = daemon.connect().api.base_url.replace("http+docker://localhost", "") or os.environ["DOCKER_HOST"]
    here = Path(real.removeprefix("unix://"))
    link = tmp_path / "s3cret-socket"
    link.symlink_to(here)
    address = f"unix://{link}"
    lab.sandbox.environment.update(
        DOCKER_HOST="unix:///nowhere.sock", TRAINING_BASE_IMAGE=daemon.base_image()
    )
    lab.write("report(loss=1)")

    def declare() -> None:
        workspace = containers.Workspace("lab")
        cluster = containers.ComputeCluster(
            "cpu", workspace=workspace, docker_host=pulumi.Output.secret(address)
        )
        fit = lab.job("fit", cluster)
        pulumi.export("run_id", fit.run_id)

    stack = lab.stack(declare)
    done = stack.up().succeeded()
    run_id = done.result.outputs["run_id"].value
    assert "s3cret-socket" not in done.text
    # The state's file is among them: it has the address as ciphertext.
    kept = [file for file in tmp_path.rglob("*") if file.is_file() and b"s3cret-socket" in file.read_bytes()]
    assert kept == []
    record = Record(Store.open(str(lab.store)), run_id)
    document = record.attempt(1).document()
    assert document.handle is not None
    with pytest.raises(
        TransientError, match=f"docker_host is a secret of the program that made run {run_id}"
    ):
        given(document.handle["settings"])
    assert cancel(record) is not None  # it has ended: nobody is asked
    assert stack.preview().steps()["fit"] == "same"
    stack.destroy().succeeded()
    assert daemon.objects(f"{names.RUN}={run_id}") == []
