"""Processes of a local attempt: found, stopped, started once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pulumi_training.agent.marks import Marks
from pulumi_training.spec.outcome import Status
from pulumi_training.targets.contract.handle import Handle
from pulumi_training.targets.local import agent_process, processes
from pulumi_training.targets.local.observe import observe as look

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def run_id() -> str:
    return f"unit-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def start(run_id: str) -> Iterator[Start]:
    made: list[subprocess.Popen[bytes]] = []

    def begin(
        code: str = "import time; time.sleep(60)", attempt: int = 1, **more: str
    ) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "TRAINING_RUN_ID": run_id, "TRAINING_ATTEMPT": str(attempt), **more}
        process = subprocess.Popen(
            [sys.executable, "-c", f"print('up', flush=True); {code}"],
            env=environment,
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None and process.stdout.readline() == b"up\n"
        made.append(process)
        return process

    yield begin
    for process in made:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def test_found_by_environment(run_id: str, start: Start, tmp_path: Path) -> None:
    one = start(TRAINING_OUTPUT_DIR=str(tmp_path / "attempt" / "outputs"))
    other = start(attempt=2)
    assert [p.pid for p in processes.find(Marks(run_id, 1))] == [one.pid]
    assert [p.pid for p in processes.find(Marks(run_id, 2))] == [other.pid]
    assert processes.find(Marks(run_id, 3)) == []
    assert (run_id, 1, "", str(tmp_path / "attempt")) in processes.find_all()
    assert (run_id, 2, "", "") in processes.find_all()


def test_stop_gives_the_grace_and_then_kills(run_id: str, start: Start, tmp_path: Path) -> None:
    polite = start(
        "import signal, sys, time\n"
        f"signal.signal(signal.SIGTERM, lambda *_: (open({str(tmp_path / 'told')!r}, 'w'), sys.exit(0)))\n"
        "print('up', flush=True); time.sleep(60)"
    )
    stubborn = start(
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    )
    spared = start(attempt=2)
    for process in (polite, stubborn):
        assert process.stdout is not None and process.stdout.readline() == b"up\n"
    processes.stop(Marks(run_id, 1), 0.3)
    assert polite.wait(5) == 0 and (tmp_path / "told").exists()
    assert stubborn.wait(5) == -signal.SIGKILL
    assert spared.poll() is None


def test_a_stopped_process_is_killed_too(run_id: str, start: Start) -> None:
    process = start()
    process.send_signal(signal.SIGSTOP)
    processes.stop(Marks(run_id, 1), 0.0)
    assert process.wait(5) in (-signal.SIGTERM, -signal.SIGKILL)  # the one that waited may come first


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "launch").mkdir()
    (tmp_path / "ranks").mkdir()
    return tmp_path


def test_an_agent_is_started_once(folder: Path) -> None:
    line = [sys.executable, "-c", "import time; time.sleep(60)"]
    pid = agent_process.start(folder, line, os.environ, None)
    assert pid is not None and agent_process.is_live(folder)
    assert agent_process.start(folder, line, os.environ, None) is None
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while agent_process.is_live(folder):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_an_agent_without_a_last_word_takes_its_ranks_along(folder: Path, run_id: str, start: Start) -> None:
    for name in ("agent.lock", "launcher.log"):
        (folder / "launch" / name).touch()
    rank = start(TRAINING_OUTPUT_DIR=str(folder / "outputs"))
    spared = start(TRAINING_OUTPUT_DIR=str(folder / "of another store" / "outputs"))
    seen = look(Handle("local", run_id, 1, str(folder)))
    assert (seen.status, seen.launch) == (Status.FAILED, None)
    assert rank.wait(5) in (-signal.SIGTERM, -signal.SIGKILL)
    assert spared.poll() is None
