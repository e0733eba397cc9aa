"""Processes of a run found and ended; the agent told live from dead; what a run may see of this machine."""

from __future__ import annotations

import fcntl
import json
import os
import uuid
from pathlib import Path

import pytest

from pulumi_training.spec.outcome import Status
from pulumi_training.targets.contract.handle import Handle
from pulumi_training.targets.local import agent_process
from pulumi_training.targets.local.observe import observe as look
from pulumi_training.targets.local.surroundings import inherited, with_interpreter


@pytest.fixture
def run_id() -> str:
    return f"unit-{uuid.uuid4().hex[:8]}"


def test_a_run_sees_nothing_of_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = {
        "PULUMI_CONFIG_PASSPHRASE": "a passphrase",
        "PULUMI_ACCESS_TOKEN": "token",
        "PYTHONPATH": "/elsewhere",
        "PYTHONHOME": "/elsewhere",
        "TRAINING_RUN_ID": "another",
        "OMPI_COMM_WORLD_RANK": "3",
        "SLURM_PROCID": "1",
        "VIRTUAL_ENV": "/plugin/venv",
        "CONDA_PREFIX": "/conda",
    }
    for name, value in hidden.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HTTPS_PROXY", "proxy.example")
    seen = inherited()
    assert not set(hidden) & set(seen)
    assert seen["HTTPS_PROXY"] == "proxy.example"


def test_the_runs_own_interpreter_comes_first(tmp_path: Path) -> None:
    environment = with_interpreter({"PATH": "/usr/bin"}, tmp_path / "env" / "bin")
    assert environment["PATH"] == f"{tmp_path / 'env' / 'bin'}:/usr/bin"
    assert environment["VIRTUAL_ENV"] == str(tmp_path / "env")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "launch").mkdir()
    (tmp_path / "ranks").mkdir()
    return tmp_path


def observe(folder: Path, run_id: str = "nobody") -> Status:
    return look(Handle("local", run_id, 1, str(folder))).status


def test_an_agent_that_launched_is_never_started_again(folder: Path) -> None:
    (folder / "launch" / "launcher.log").touch()
    assert agent_process.start(folder, ["false"], os.environ, None) is None


def test_those_who_look_do_not_take_one_another_for_the_agent(folder: Path) -> None:
    (folder / "launch" / "agent.lock").touch()
    looking = os.open(folder / "launch" / "agent.lock", os.O_RDWR)
    fcntl.flock(looking, fcntl.LOCK_SH)
    assert not agent_process.is_live(folder)
    os.close(looking)


def test_observed_from_files_alone(folder: Path, run_id: str) -> None:
    assert observe(folder) is Status.NOT_STARTED
    (folder / "launch" / "agent.lock").touch()
    assert observe(folder, run_id) is Status.NOT_STARTED, "it was begun and launched nothing"
    agent = os.open(folder / "launch" / "agent.lock", os.O_RDWR)
    fcntl.flock(agent, fcntl.LOCK_EX)
    assert observe(folder) is Status.RUNNING
    os.close(agent)


def test_a_torn_last_word_proves_nothing(folder: Path) -> None:
    (folder / "ranks" / "0.json").write_text(json.dumps({"rank": 0, "state": "exited", "success": True}))
    (folder / "launch" / "end.json").write_text('{"ended_at": 3, "ranks_exp')
    seen = look(Handle("local", "nobody", 1, str(folder)))
    assert (seen.status, seen.launch) == (Status.FAILED, None)


def test_success_needs_every_rank(folder: Path) -> None:
    (folder / "launch" / "end.json").write_text(json.dumps({"exit_code": 0, "ranks_expected": 2}))
    (folder / "ranks" / "0.json").write_text(json.dumps({"rank": 0, "state": "exited", "success": True}))
    assert observe(folder) is Status.FAILED, "an exit code of 0 proves nothing"
    (folder / "ranks" / "1.json").write_text(json.dumps({"rank": 1, "state": "exited", "success": True}))
    assert observe(folder) is Status.COMPLETED
