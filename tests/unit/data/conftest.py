"""Every test has a cache and a memory bucket of its own, and waits for nothing."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from pulumi_training.data import transfer


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINING_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(transfer, "_pause", lambda seconds: None)


@pytest.fixture
def bucket() -> Iterator[str]:
    import fsspec

    name = f"bucket-{uuid.uuid4().hex}"
    yield f"memory://{name}"
    memory = fsspec.filesystem("memory")
    if memory.exists(f"/{name}"):
        memory.rm(f"/{name}", recursive=True)
