"""Check builds the run key without reading the job once more, and it is the key of what it answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pulumi_training.identity.key import run_key
from pulumi_training.provider.handler import CheckCall
from pulumi_training.provider.training_job_check import check, declared
from pulumi_training.provider.wire import Secret
from pulumi_training.spec.partition import key_fields

COMPUTE = {"target": "local", "workspace": "lab", "store": "./store", "maxNodes": 2.0, "slotsPerNode": 2.0}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"arguments": ["--epochs", "5"], "triggers": ["monday"], "tags": {"team": "vision"}},
        {"nodeCount": 2.0, "processCountPerNode": 2.0, "distributedBackend": "mpi"},
        {"sourceDigest": "sha256:" + "ab" * 32},
        {"secretEnvironmentVariables": Secret({"TOKEN": "hidden"})},
        {"environment": {"pipPackages": ["numpy"]}},
    ],
)
def test_the_key_is_that_of_the_checked_inputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: dict[str, Any]
) -> None:
    monkeypatch.setenv("TRAINING_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "train.py").write_text("print('hello')\n")
    inputs = {"compute": COMPUTE, "sourceDirectory": "./src", "entryScript": "train.py", **more}
    urn = "urn:pulumi:dev::shop::training:index:TrainingJob::fit"
    call = CheckCall(urn=urn, name="fit", type="training:index:TrainingJob", inputs=inputs)
    answer, _ = check(call, tmp_path)
    assert answer.problems == ()
    assert answer.inputs["runKey"] == run_key(key_fields(declared(answer.inputs, "fit").job))
