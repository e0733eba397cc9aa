"""The notebook of the PyTorch example in a real kernel: a model trained, and one whose rank is killed in the middle."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from lab import Lab
from sandbox import CHECKOUT
from test_experiment_page import EXECUTE
from torch_python import torch_python

pytest.importorskip("ipykernel")
pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.mpi, pytest.mark.timeout(900)]


def epochs(attempt: Path) -> list[int]:
    """The epochs that rank 0 of an attempt ended, as its log has them."""
    log = (attempt / "logs" / "std" / "rank-0.log").read_text()
    return [
        int(number) for number in re.findall(r"^epoch (\d+): accuracy .* with 4 ranks", log, re.MULTILINE)
    ]


def test_a_killed_rank_costs_the_epochs_since_the_last_checkpoint(lab: Lab) -> None:
    python = torch_python(lab.sandbox.folder / "torch")
    checkout = lab.sandbox.folder / "checkout"
    example = checkout / "examples" / "pytorch-ddp"
    left_out = shutil.ignore_patterns(".training", ".pulumi", "downloaded", "Pulumi.*.yaml")
    shutil.copytree(CHECKOUT / "examples" / "pytorch-ddp", example, ignore=left_out)
    shutil.copytree(CHECKOUT / "stacks" / "quickstart" / "data", checkout / "stacks" / "quickstart" / "data")
    executed = lab.sandbox.folder / "executed.ipynb"
    environment = {k: v for k, v in lab.sandbox.environment.items() if not k.startswith("PULUMI_BACKEND")}
    environment |= {"IPYTHONDIR": str(lab.sandbox.folder / "ipython"), "JUPYTER_ALLOW_INSECURE_WRITES": "1"}
    environment |= {"TORCH_PYTHON": str(python)}
    done = subprocess.run(
        [sys.executable, "-c", EXECUTE, "walk-through.ipynb", str(executed)],
        cwd=example, env=environment, capture_output=True, text=True, timeout=800,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = json.loads(executed.read_text())["cells"]
    assert "attempts: 2" in "".join(str(cell.get("outputs")) for cell in said)
    assert (example / "downloaded" / "model.pt").is_file()

    runs = sorted((example / ".training" / "lab" / "runs").iterdir(), key=lambda run: run.stat().st_ctime)
    attempts = {run.name: sorted((run / "attempts").iterdir()) for run in runs}
    (whole,) = (found for found in attempts.values() if len(found) == 1)
    assert epochs(whole[0]) == list(range(1, 9))
    ((first, second),) = (found for found in attempts.values() if len(found) == 2)
    outcome = json.loads((first / "attempt.json").read_text())["outcome"]
    assert outcome["reason"] == "RankSignaled" and outcome["rank"] == 3
    before, after = epochs(first), epochs(second)
    assert before[0] == 1 and 3 <= before[-1] < 60, "killed in the middle"
    # The checkpoint is written before the line, which the kill may have cut off.
    assert after[0] in (before[-1] + 1, before[-1] + 2), "goes on, and not from the start"
    assert after == list(range(after[0], 61))
    assert json.loads((second / "attempt.json").read_text())["outcome"]["reason"] == "Completed"
