"""The plan of a job equals a request that is written out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from training_tiny.plan import plan

from pulumi_training.driver.request import recorded
from pulumi_training.spec.job import JobSpec
from pulumi_training.targets.contract.plan import UNKNOWN_PART, Plan
from pulumi_training.targets.contract.run import Prepared, RunSpec

COMPUTE = {"target": "tiny", "workspace": "lab", "store": "./runs"}


def run_of(folder: Path, **compute: Any) -> RunSpec:
    job = {"entryScript": "train.py", "arguments": ["--epochs", "5"], "compute": {**COMPUTE, **compute}}
    return RunSpec("fit-1", 2, recorded(JobSpec.model_validate(job)), folder, folder)


def test_the_plan_is_one_command(tmp_path: Path) -> None:
    found = plan(run_of(tmp_path), Prepared({"python": "/python"}))
    command = ["/python", "train.py", "--epochs", "5"]
    assert found == Plan("tiny", "fit-1", 2, {"command": command}, summary="one process")
    assert found.is_complete


def test_what_only_preparation_tells_is_marked(tmp_path: Path) -> None:
    found = plan(run_of(tmp_path), None)
    assert found.request["command"][0] == UNKNOWN_PART and not found.is_complete


def test_a_setting_is_in_the_command(tmp_path: Path) -> None:
    found = plan(run_of(tmp_path, tiny={"niceness": 10}), Prepared({"python": "/python"}))
    assert found.request["command"][:4] == ["nice", "-n", "10", "/python"]
