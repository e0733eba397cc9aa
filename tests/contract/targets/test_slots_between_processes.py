"""Slots, between processes."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pulumi_training.targets.local.slots import Owner, Slots, me


@pytest.fixture
def sleepers() -> Iterator[list[subprocess.Popen[bytes]]]:
    made: list[subprocess.Popen[bytes]] = []
    yield made
    for process in made:
        process.kill()
        process.wait()


def sleeper(made: list[subprocess.Popen[bytes]]) -> Owner:
    process = subprocess.Popen(["sleep", "60"])
    made.append(process)
    owner = Owner.of(process.pid)
    assert owner is not None
    return owner


def test_the_dead_are_dropped(tmp_path: Path, sleepers: list[subprocess.Popen[bytes]]) -> None:
    slots = Slots(tmp_path, 1)
    assert slots.enter("a", 1, 1, 0, sleeper(sleepers), tmp_path / "a") is None
    assert slots.enter("b", 1, 1, 0, sleeper(sleepers), tmp_path / "b") == 1
    assert slots.enter("c", 1, 1, 0, me(), tmp_path / "c") == 2
    sleepers[1].kill()
    sleepers[1].wait()
    assert slots.enter("c", 1, 1, 0, me(), tmp_path / "c") == 1
    sleepers[0].kill()  # a zombie until it is waited for
    deadline = time.monotonic() + 5
    while slots.enter("c", 1, 1, 0, me(), tmp_path / "c") is not None:
        assert time.monotonic() < deadline


def test_a_live_agent_keeps_the_slots_of_a_dead_supervisor(
    tmp_path: Path, sleepers: list[subprocess.Popen[bytes]]
) -> None:
    slots, folder = Slots(tmp_path / "state", 1), tmp_path / "attempt"
    (folder / "launch").mkdir(parents=True)
    assert slots.enter("a", 1, 1, 0, sleeper(sleepers), folder) is None
    agent = os.open(folder / "launch" / "agent.lock", os.O_CREAT | os.O_RDWR)
    fcntl.flock(agent, fcntl.LOCK_EX)
    sleepers[0].kill()
    sleepers[0].wait()
    assert slots.enter("b", 1, 1, 0, me(), tmp_path) == 1
    assert slots.enter("a", 1, 1, 0, me(), folder) is None, "whoever comes next takes the ticket over"
    slots.leave("a", 1)
    os.close(agent)
    assert slots.enter("b", 1, 1, 0, me(), tmp_path) is None


WORKER = """
import sys, time
from pathlib import Path
from pulumi_training.targets.local.slots import Slots, me

folder, name, width = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
slots = Slots(folder, 3)
while slots.enter(name, 1, width, 0, me(), folder / name) is not None:
    time.sleep(0.005)
with (folder / "held").open("a") as held:
    held.write(f"+{width}\\n")
time.sleep(0.05)
with (folder / "held").open("a") as held:
    held.write(f"-{width}\\n")
if name != "r2":  # one of them dies without giving anything back
    slots.leave(name, 1)
"""


@pytest.mark.timeout(60)
def test_many_processes_never_hold_more_than_there_is(tmp_path: Path) -> None:
    workers = [
        subprocess.Popen([sys.executable, "-c", WORKER, str(tmp_path), f"r{n}", str(1 + n % 3)])
        for n in range(6)
    ]
    assert [w.wait(50) for w in workers] == [0] * 6
    in_use = 0
    for line in (tmp_path / "held").read_text().splitlines():
        in_use += int(line)
        assert 0 <= in_use <= 3
    assert Slots(tmp_path, 3).tickets() == ()
    assert json.loads(Slots(tmp_path, 3).file.read_text()) == []
