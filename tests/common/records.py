"""Every test has a state folder, a cache and a memory store of its own."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from pulumi_training.record.record import Record
from pulumi_training.record.store import Store


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINING_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("TRAINING_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "folder":
        yield Store.open(str(tmp_path / "store"))
        return
    opened = Store.open(f"memory://{uuid.uuid4().hex}/runs")
    yield opened
    opened.delete("")


@pytest.fixture
def folder_store(tmp_path: Path) -> Store:
    return Store.open(str(tmp_path / "store"))


@pytest.fixture
def record(store: Store) -> Record:
    return Record(store, "fit-0123456789")
