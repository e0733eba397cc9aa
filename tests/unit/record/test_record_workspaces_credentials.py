"""The list of workspaces on this machine opens nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from pulumi_training.record import workspaces
from pulumi_training.record.staging import state_folder


def test_no_credential_of_a_store_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINING_STATE_DIR", str(tmp_path))
    workspaces.remember("s3://AKIAKEY:s3cretkey@bucket/runs", "lab", "local")
    assert [each.store for each in workspaces.known()] == ["s3://bucket/runs"]
    assert "s3cretkey" not in (state_folder() / "workspaces.json").read_text()
