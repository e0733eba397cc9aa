"""The agent's copy on this machine is no environment: building one, which prunes others, leaves it alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pulumi_training.environment import cache
from pulumi_training.targets.contract.plan import Plan
from pulumi_training.targets.contract.run import RunSpec
from pulumi_training.targets.local import agent_process, target


def test_pruning_environments_leaves_the_agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINING_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("TRAINING_STATE_DIR", str(tmp_path / "state"))
    started: list[list[str]] = []

    def start(folder: Path, line: list[str], environment: Any, prefix: Any) -> None:
        started.append(line)

    monkeypatch.setattr(agent_process, "start", start)
    (tmp_path / "attempt" / "launch").mkdir(parents=True)
    request = {
        "environment": {},
        "prefix": str(tmp_path / "venv"),
        "node_count": 1,
        "process_count_per_node": 1,
    }
    compute = {"store": "./store", "workspace": "lab", "cluster": "cpu", "maxNodes": 1, "slotsPerNode": 1}
    limits = {"maxRunDurationSeconds": None, "stallTimeoutSeconds": None, "gracePeriodSeconds": 30}
    run = RunSpec("fit-1", 1, {"compute": compute, **limits}, tmp_path, tmp_path / "attempt", {})
    target.LocalTarget().submit(Plan("local", "fit-1", 1, request), run)
    agent = Path(started[0][3])
    assert agent.is_file()
    cache.prune(min_age=0)
    assert agent.is_file()
