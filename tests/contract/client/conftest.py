"""Every test has a state folder and a store of its own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pulumi_training.record import workspaces
from pulumi_training.record.store import Store

sys.path.insert(0, str(Path(__file__).parents[2] / "unit" / "client"))

from shelf import Shelf


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINING_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    folder = tmp_path / "lab"
    folder.mkdir()
    workspaces.remember(str(folder), "lab", "local")
    return Shelf(Store.open(str(folder)))
