"""The checks of `doctor` that ask programs."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from pulumi_training.cli.checks import engine, leftovers, software, system
from pulumi_training.cli.plugin_folder import install
from pulumi_training.targets.contract.check import State


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
