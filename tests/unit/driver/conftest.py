"""Every test has folders, a backend and a job of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from driver_fakes import Backend, FakeTarget, Job, PlainTarget

from pulumi_training.targets import catalog


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in os.environ if n.startswith("TRAINING_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TRAINING_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("TRAINING_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Iterator[Backend]:
    """The fake target stands where the local one does, and no wait is long."""
    fresh = Backend()
    monkeypatch.setattr(PlainTarget, "backend", fresh)
    monkeypatch.setattr(catalog, "get", lambda name, package="": FakeTarget())
    monkeypatch.setattr("pulumi_training.driver.watching.WATCH_SECONDS", 0.001)
    monkeypatch.setattr("pulumi_training.driver.watching._SHOW_SECONDS", 0.0)
    monkeypatch.setattr("pulumi_training.driver.passage._QUEUE_SECONDS", 0.001)
    monkeypatch.setattr("pulumi_training.driver.preload._HEAD_START_SECONDS", 600.0)
    monkeypatch.setattr("pulumi_training.driver.watching._CANCELER_SECONDS", 0.01)
    monkeypatch.setattr("pulumi_training.driver.passage._PAUSE_SECONDS", 0.001)
    monkeypatch.setattr("pulumi_training.driver.settle._PAUSE_SECONDS", 0.0)
    yield fresh


@pytest.fixture
def job(tmp_path: Path) -> Job:
    source = tmp_path / "src"
    source.mkdir()
    (source / "train.py").write_text("print('hello')\n")
    compute = {"target": "local", "workspace": "lab", "store": str(tmp_path / "store")}
    return Job(
        tmp_path,
        {"sourceDirectory": "src", "entryScript": "train.py", "compute": compute, "gracePeriodSeconds": 0},
    )
