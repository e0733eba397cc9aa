"""A job that is moved from this machine to Docker, over one store: the same run, the next attempt."""

from __future__ import annotations

from typing import Any

import daemon
import pulumi
import pytest
from lab import Lab, eventually, said

from pulumi_training import docker as containers
from pulumi_training import local

pytestmark = [pytest.mark.engine, pytest.mark.docker, pytest.mark.slow]


class Moving(Lab):
    """A lab whose target is changed as a person changes the import line."""

    target: Any = local

    def declare(self) -> None:
        workspace = self.target.Workspace("lab")
        cluster = self.target.ComputeCluster("cpu", workspace=workspace, slots_per_node=2)
        fit = self.job("fit", cluster)
        for output in ("run_id", "attempt", "status"):
            pulumi.export(output, getattr(fit, output))


@pytest.fixture
def moving(lab: Lab) -> Moving:
    lab.sandbox.environment["TRAINING_BASE_IMAGE"] = daemon.base_image()
    return Moving(lab.sandbox, lab.folder, lab.settings, lab.cluster)


def test_a_finished_run_is_trained_there_and_both_attempts_stay(moving: Moving) -> None:
    stack = moving.stack()
    first = stack.up().succeeded().result.outputs
    moving.target = containers
    preview = said(stack.preview().succeeded())
    assert "compute.target local -> docker" in preview
    assert "will run 1 process in a container" in preview
    second = stack.up().succeeded().result.outputs
    assert second["run_id"].value == first["run_id"].value
    assert second["attempt"].value == 2
    assert [(a["target"], a["status"]) for a in moving.attempts()] == [
        ("local", "Completed"),
        ("docker", "Completed"),
    ]
    assert stack.preview().succeeded().steps()["fit"] == "same"
    stack.destroy().succeeded()
    assert [a["status"] for a in moving.attempts()] == ["Completed", "Completed"]


def test_a_live_run_is_stopped_here_before_it_begins_there(moving: Moving) -> None:
    moving.write(
        "import os, time\nprint('begun', flush=True)\n"
        "time.sleep(600 if os.environ['TRAINING_ATTEMPT'] == '1' else 0)\n"
    )
    moving.settings = {"wait": False, "grace_period_seconds": 1}
    stack = moving.stack()
    stack.up().succeeded()
    eventually(lambda: moving.attempts()[0]["status"] == "Running", "the job runs here")
    moving.target = containers
    stack.up().succeeded()
    assert moving.attempts()[0]["status"] == "Canceled"
    eventually(lambda: moving.attempts()[-1]["status"] == "Completed", "the job ends there")
    assert [a["target"] for a in moving.attempts()] == ["local", "docker"]
    stack.destroy().succeeded()
