from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from shelf import Shelf
from typer.testing import CliRunner, Result

from pulumi_training.cli import doctor as module
from pulumi_training.cli.checks import engine, leftovers, stores, system
from pulumi_training.cli.main import build
from pulumi_training.record import workspaces
from pulumi_training.record.store import Store
from pulumi_training.record.store_identity import KEY, ensure_identity
from pulumi_training.targets.contract.check import Check, State


def call(*words: str) -> Result:
    return CliRunner().invoke(build(), list(words))


def program(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.fixture(autouse=True)
def bare_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("TRAINING_ENGINE_DIR", str(tmp_path / "engine"))
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
    return folder


def test_something_missing_is_exit_code_1_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [Check("uv", State.FAIL, "not found", "pip install uv"), Check("System", State.OK, "Linux")]
    monkeypatch.setattr(module, "examine", lambda: found)
    result = call("doctor")
    assert result.exit_code == 1
    assert "pip install uv" in result.stdout and "1 missing" in result.stdout
    assert json.loads(call("doctor", "--json").stdout)[0]["state"] == "fail"


def test_warnings_are_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "examine", lambda: [Check("Runs", State.WARN, "one", "pulumi up")])
    result = call("doctor")
    assert (result.exit_code, "1 warning" in result.stdout) == (0, True)


def test_a_check_that_breaks_stops_no_other() -> None:
    def broken() -> list[Check]:
        raise OSError("no such device")

    assert module._guarded(broken)[0].message.endswith("no such device")


def test_a_missing_cli_names_the_way_to_get_it(tmp_path: Path) -> None:
    (check,) = engine.pulumi()
    assert (check.state, "tools/pulumi ensure" in check.remedy) == (State.FAIL, True)
    (tmp_path / "engine/v9/bin").mkdir(parents=True)
    cached = program(tmp_path / "engine/v9/bin", "pulumi", "")
    (check,) = engine.pulumi()
    assert (check.state, str(cached) in check.message) == (State.WARN, True)


def test_folders_need_room_and_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert all(check.state in (State.OK, State.WARN) for check in system.folders())
    (tmp_path / "blocked").write_text("a file")
    monkeypatch.setenv("TRAINING_STATE_DIR", str(tmp_path / "blocked" / "state"))
    check = system.folders()[1]
    assert (check.state, "TRAINING_STATE_DIR" in check.remedy) == (State.FAIL, True)


def test_runs_that_nobody_drives_are_told(shelf: Shelf) -> None:
    assert leftovers.runs()[0].state is State.OK
    shelf.live("fit-0000000000")
    (check,) = leftovers.runs()
    assert check.state is State.WARN
    assert "pulumi-training cancel fit-0000000000" in check.remedy


def test_a_copied_store_is_named_with_both_paths_and_what_to_do(tmp_path: Path) -> None:
    for name in ("one", "two"):
        ensure_identity(Store.open(str(tmp_path / name)))
        workspaces.remember(str(tmp_path / name), "lab", "local")
    (tmp_path / "link").symlink_to(tmp_path / "one")
    workspaces.remember(str(tmp_path / "link"), "lab", "local")
    assert stores.copies() == [], "two stores, one of them under two names"

    shutil.copytree(tmp_path / "one", tmp_path / "copy")
    workspaces.remember(str(tmp_path / "copy"), "lab", "local")
    (check,) = stores.copies()
    assert check.state is State.WARN and KEY in check.remedy
    assert str(tmp_path / "copy") in check.message and str(tmp_path / "two") not in check.message

    (tmp_path / "copy" / KEY).unlink()
    assert stores.copies() == []
    (tmp_path / "copy" / KEY).write_text("{")
    (check,) = stores.copies()
    assert check.state is State.WARN and str(tmp_path / "copy" / KEY) in check.message
