"""Real steps of PyTorch and TensorFlow, through their estimators: the examples, as a new user runs them.

Wheels are large: PyTorch is Debian's `python3-torch`, TensorFlow is `tensorflow-cpu`. `TRAINING_REQUIRE=torch`
makes a missing one a failure; TensorFlow is fetched where `TRAINING_REQUIRE` names `tensorflow`, and only there.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from checkout import Checkout
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch_python import torch_python

pytestmark = [pytest.mark.slow, pytest.mark.engine, pytest.mark.mpi, pytest.mark.timeout(900)]
REQUIRED = os.environ.get("TRAINING_REQUIRE", "").split(",")


def test_a_pytorch_model_is_trained_by_four_processes(checkout: Checkout) -> None:
    python = torch_python(checkout.folder.parent / "torch")
    outputs = up(checkout, "pytorch-ddp", "interpreter", str(python))
    assert outputs["metrics"]["accuracy"] >= 0.9
    assert Path(outputs["outputs"], "model.pt").is_file()
    logs = Path(outputs["outputs"]).with_name("logs") / "std"
    assert "with 4 ranks" in (logs / "rank-0.log").read_text()
    assert all((logs / f"rank-{rank}.log").is_file() for rank in range(4))


@pytest.mark.skipif(
    "tensorflow" not in REQUIRED, reason="fetches 300 MB; TRAINING_REQUIRE=tensorflow runs it"
)
def test_a_tensorflow_model_is_trained_by_two_workers(checkout: Checkout) -> None:
    outputs = up(checkout, "tensorflow-multiworker", "package", "tensorflow-cpu")
    assert outputs["metrics"]["accuracy"] >= 0.9
    assert Path(outputs["outputs"], "model.npz").is_file()
    logs = Path(outputs["outputs"]).with_name("logs")
    assert "with 2 workers" in (logs / "std" / "rank-0.log").read_text()
    losses = [
        [event.step for event in EventAccumulator(str(logs / f"worker-{worker}")).Reload().Tensors("loss")]
        for worker in range(2)
    ]
    assert losses == [list(range(1, 9))] * 2, "both workers' event files are in ./logs"


def up(checkout: Checkout, example: str, setting: str, value: str) -> dict[str, dict[str, float]]:
    """What the example's stack answers after an `up`; the second one changes nothing."""
    folder = checkout.folder / "examples" / example
    checkout.shell(f"pulumi stack init dev && pulumi config set {setting} {value}", folder)
    checkout.shell("pulumi up --yes --skip-preview --non-interactive", folder)
    again = checkout.shell("pulumi up --yes --skip-preview --non-interactive", folder)
    assert "unchanged" in again and "replaced" not in again, again
    answer: dict[str, dict[str, float]] = json.loads(checkout.shell("pulumi stack output --json", folder))
    checkout.shell("pulumi destroy --yes --skip-preview --non-interactive", folder)
    return answer
