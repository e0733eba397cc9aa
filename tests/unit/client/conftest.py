"""Every test has a state folder, a cache, a Pulumi home and a store of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from shelf import Shelf

from pulumi_training.record import workspaces
from pulumi_training.record.store import Store


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINING_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("TRAINING_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "pulumi"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    folder = tmp_path / "lab"
    folder.mkdir()
    workspaces.remember(str(folder), "lab", "local")
    return Shelf(Store.open(str(folder)))
