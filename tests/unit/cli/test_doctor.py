from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from shelf import Shelf
from typer.testing import CliRunner, Result

from pulumi_training.cli import doctor as module
from pulumi_training.cli.checks import engine, leftovers, software, stores, system
from pulumi_training.cli.main import build
from pulumi_training.cli.plugin_folder import install
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


def test_a_cli_without_a_language_host_is_a_warning(bare_path: Path) -> None:
    program(bare_path, "pulumi", "echo v3.259.0")
    cli, host = engine.pulumi()
    assert (cli.state, cli.message.startswith("v3.259.0")) == (State.OK, True)
    assert host.state is State.WARN
    program(bare_path, "pulumi-language-python", "")
    assert engine.pulumi()[1].state is State.OK
    program(bare_path, "pulumi", "exit 3")
    assert engine.pulumi()[0].state is State.FAIL


def test_the_provider_is_looked_for_where_the_engine_does(tmp_path: Path) -> None:
    (check,) = engine.plugin()
    assert (check.state, check.remedy) == (State.FAIL, "pulumi-training plugin install")
    done = install()
    assert engine.plugin()[0].state is State.OK
    install(tmp_path / "gone" / "python")
    assert "does not start" in engine.plugin()[0].message
    done.folder.rename(done.folder.with_name("resource-training-v0.0.1"))
    assert (engine.plugin()[0].state, "0.0.1" in engine.plugin()[0].message) == (State.WARN, True)


def test_an_index_that_does_not_answer_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(software, "_ask_index", lambda: "dns error")
    uv, index, mpi = software.software()
    assert (uv.state, index.state, mpi.state) == (State.OK, State.WARN, State.WARN)
    assert "dns error" in index.message


def test_the_index_is_asked_through_uv_with_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    trouble = software._ask_index()
    assert trouble


def test_an_mpirun_on_path_is_told(bare_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(software, "_ask_index", lambda: "offline")
    program(bare_path, "mpirun", "echo 'mpirun (Open MPI) 4.1.4'")
    mpi = software.software()[2]
    assert (mpi.state, mpi.message.startswith("openmpi4")) == (State.OK, True)


def test_gpus_are_counted(bare_path: Path) -> None:
    assert system.machine()[2].state is State.INFO
    program(bare_path, "nvidia-smi", "echo 'A100, 40960 MiB'; echo 'A100, 40960 MiB'")
    assert system.machine()[2].message.startswith("2: A100")
    program(bare_path, "nvidia-smi", "echo no driver; exit 9")
    assert (system.machine()[2].state, "no driver" in system.machine()[2].message) == (State.WARN, True)


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


def test_a_stack_lock_of_a_dead_process_is_told(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: p\nbackend: {url: 'file://.'}\n")
    locks = tmp_path / ".pulumi/locks/organization/shop/dev"
    locks.mkdir(parents=True)
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    lock = {"pid": child.pid, "hostname": socket.gethostname(), "username": "me"}
    (locks / "a.json").write_text(json.dumps(lock))
    (check,) = leftovers.locks()
    assert "shop/dev" in check.message
    assert "pulumi cancel" in check.remedy
    (locks / "a.json").write_text(json.dumps({**lock, "pid": os.getpid()}))
    assert leftovers.locks() == []
    (locks / "a.json").write_text(json.dumps({**lock, "hostname": "another"}))
    assert leftovers.locks() == []


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
