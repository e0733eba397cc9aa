"""Processes are told apart by the marks of their attempt."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from pulumi_training.agent.marks import Marks
from pulumi_training.agent.sweep import find as sweep_find
from pulumi_training.record.store import Store
from pulumi_training.record.store_identity import ensure_identity
from pulumi_training.targets.local import processes

RUN_ID = f"marks-{os.getpid()}"
Start = Callable[..., int]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a process of attempt 1 with these variables, arguments and working directory."""
    made: list[subprocess.Popen[bytes]] = []

    def begin(*words: str, cwd: Path | None = None, **more: str) -> int:
        environment = {**os.environ, "TRAINING_RUN_ID": RUN_ID, "TRAINING_ATTEMPT": "1", **more}
        code = "import time; print('up', flush=True); time.sleep(60)"
        process = subprocess.Popen(
            [sys.executable, "-c", code, *words], env=environment, cwd=cwd, stdout=subprocess.PIPE
        )
        assert process.stdout is not None and process.stdout.readline() == b"up\n"
        made.append(process)
        return process.pid

    yield begin
    for process in made:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def attempt_in(store: Path) -> Path:
    folder = store / "runs" / RUN_ID / "attempts" / "1"
    folder.mkdir(parents=True)
    return folder


def found(marks: Marks) -> set[int]:
    """As the driver's machine finds them; the agent finds the same."""
    pids = {process.pid for process in processes.find(marks)}
    assert pids == set(sweep_find(marks))
    return pids


def test_the_identity_of_the_store_tells_them_apart(start: Start, tmp_path: Path) -> None:
    folder, other = attempt_in(tmp_path / "a"), attempt_in(tmp_path / "b")
    mine = start(TRAINING_STORE_ID="a" * 32, TRAINING_OUTPUT_DIR=f"{folder}/outputs")
    helper = start(TRAINING_STORE_ID="a" * 32)
    theirs = start(TRAINING_STORE_ID="b" * 32, TRAINING_OUTPUT_DIR=f"{other}/outputs")
    of_before = start(TRAINING_OUTPUT_DIR=f"{folder}/outputs")
    assert found(Marks(RUN_ID, 1, "a" * 32, str(folder))) == {mine, helper}
    assert found(Marks(RUN_ID, 1, "b" * 32, str(other))) == {theirs}
    assert found(Marks(RUN_ID, 1, "", str(folder))) == {of_before}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc tells arguments and folders")
def test_those_of_before_are_found_by_their_folder_however_they_say_it(start: Start, tmp_path: Path) -> None:
    folder, other = attempt_in(tmp_path / "a"), attempt_in(tmp_path / "b")
    mine, theirs = (
        {
            start(TRAINING_OUTPUT_DIR=f"{each}/outputs"),  # a script
            start("run", "--request", f"{each}/launch/launch.json"),  # the agent, a rank's wrapper, mpirun
            start(cwd=each),  # what a launcher starts in between
        }
        for each in (folder, other)
    )
    stray = start(cwd=tmp_path)
    assert found(Marks(RUN_ID, 1, "", str(folder))) == mine
    assert found(Marks(RUN_ID, 1, "", str(other))) == theirs
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert found(Marks(RUN_ID, 1, "", f"{tmp_path}/link/runs/{RUN_ID}/attempts/1")) == mine
    keys = {key for key in processes.find_all() if key[0] == RUN_ID}
    assert keys == {(RUN_ID, 1, "", str(folder)), (RUN_ID, 1, "", str(other)), (RUN_ID, 1, "", "")}
    processes.stop(Marks(RUN_ID, 1, "", str(folder)), 0.0)
    assert not any(is_live(pid) for pid in mine)
    assert all(is_live(pid) for pid in {*theirs, stray})


def is_live(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_copied_store_does_not_own_what_the_original_started(start: Start, tmp_path: Path) -> None:
    folder = attempt_in(tmp_path / "a")
    identity = ensure_identity(Store.open(str(tmp_path / "a")))
    pid = start(TRAINING_STORE_ID=identity, TRAINING_OUTPUT_DIR=f"{folder}/outputs")
    shutil.copytree(tmp_path / "a", tmp_path / "copy")
    copied = f"{tmp_path}/copy/runs/{RUN_ID}/attempts/1"
    assert found(Marks(RUN_ID, 1, identity, copied)) == set()
    assert found(Marks(RUN_ID, 1, identity, str(folder))) == {pid}
    shutil.rmtree(tmp_path / "a")
    assert found(Marks(RUN_ID, 1, identity, copied)) == {pid}, "the store was moved: nobody else owns it"
