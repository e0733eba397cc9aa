"""The slots of a cluster: first come, first served, and never held by the dead."""

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

from pulumi_training.spec.errors import PermanentError
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


def test_first_come_first_served(tmp_path: Path) -> None:
    slots = Slots(tmp_path, 4)
    assert slots.enter("a", 1, 3, 0, me(), tmp_path) is None
    assert slots.enter("b", 1, 2, 0, me(), tmp_path) == 1
    assert slots.enter("c", 1, 1, 0, me(), tmp_path) == 2, "a narrow run does not overtake a wide one"
    slots.leave("a", 1)
    assert slots.enter("c", 1, 1, 0, me(), tmp_path) is None, "both fit now"
    assert slots.enter("b", 1, 2, 0, me(), tmp_path) is None
    assert [t.run_id for t in slots.tickets()] == ["b", "c"]


def test_wide_run_is_not_starved(tmp_path: Path) -> None:
    slots = Slots(tmp_path, 2)
    assert slots.enter("a", 1, 1, 0, me(), tmp_path) is None
    assert slots.enter("wide", 1, 2, 0, me(), tmp_path) == 1
    for number in range(5):
        assert slots.enter(f"narrow-{number}", 1, 1, 0, me(), tmp_path) == 2 + number
    slots.leave("a", 1)
    assert slots.enter("wide", 1, 2, 0, me(), tmp_path) is None
    assert slots.enter("narrow-0", 1, 1, 0, me(), tmp_path) == 1


def test_entering_twice_keeps_the_place(tmp_path: Path) -> None:
    slots = Slots(tmp_path, 1)
    assert slots.enter("a", 1, 1, 0, me(), tmp_path) is None
    assert slots.enter("a", 1, 1, 0, me(), tmp_path) is None
    assert slots.enter("b", 1, 1, 0, me(), tmp_path) == 1
    assert slots.enter("b", 1, 1, 0, me(), tmp_path) == 1
    assert len(slots.tickets()) == 2


def test_gpus_are_given_once(tmp_path: Path) -> None:
    slots = Slots(tmp_path, 8, gpus=4)
    assert slots.enter("a", 1, 1, 2, me(), tmp_path) is None
    assert slots.enter("b", 1, 1, 1, me(), tmp_path) is None
    assert slots.enter("c", 1, 1, 2, me(), tmp_path) == 1
    held = {t.run_id: t.gpus for t in slots.tickets()}
    assert held == {"a": (0, 1), "b": (2,), "c": ()}
    slots.leave("a", 1)
    assert slots.enter("c", 1, 1, 2, me(), tmp_path) is None
    ticket = slots.held("c", 1)
    assert ticket is not None and ticket.gpus == (0, 1)


@pytest.mark.parametrize(("slots", "gpus"), [(3, 0), (1, 1)])
def test_what_can_never_fit_is_refused_and_bars_nobody(tmp_path: Path, slots: int, gpus: int) -> None:
    cluster = Slots(tmp_path, 2)
    with pytest.raises(PermanentError, match="the cluster has 2 and 0"):
        cluster.enter("a", 1, slots, gpus, me(), tmp_path)
    assert cluster.enter("b", 1, 2, 0, me(), tmp_path) is None


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


def test_a_pid_used_again_is_another_process(tmp_path: Path) -> None:
    slots = Slots(tmp_path, 1)
    other = Owner(os.getpid(), "an earlier birth")
    assert slots.enter("a", 1, 1, 0, other, tmp_path / "a") is None
    assert slots.enter("b", 1, 1, 0, me(), tmp_path / "b") is None


def test_torn_file_is_an_empty_queue(tmp_path: Path) -> None:
    slots = Slots(tmp_path, 1)
    assert slots.enter("a", 1, 1, 0, me(), tmp_path) is None
    for text in ('[{"run_id": "a", "attem', '{"a": 1}', "[3]", '[{"run_id": "a"}]', ""):
        slots.file.write_text(text)
        assert slots.tickets() == ()
        assert slots.enter("b", 1, 1, 0, me(), tmp_path) is None
        slots.leave("b", 1)


def test_clusters_of_one_name_in_two_stores_are_two(tmp_path: Path) -> None:
    compute = {
        "store": "s",
        "workspace": "lab",
        "cluster": "cpu",
        "maxNodes": 2,
        "slotsPerNode": 3,
        "gpusPerNode": 1,
    }
    one, two = Slots.of(compute, tmp_path), Slots.of({**compute, "store": "t"}, tmp_path)
    assert (one.total, one.gpus) == (6, 2)
    assert one.file != two.file


COMPUTE = {"store": ".training/lab", "workspace": "lab", "cluster": "cpu", "maxNodes": 1, "slotsPerNode": 2}


def attempt_in(store: Path, run_id: str) -> Path:
    folder = store / "runs" / run_id / "attempts" / "1"
    (folder / "launch").mkdir(parents=True)
    return folder


def test_unrelated_projects_whose_stores_have_one_relative_path_share_nothing(tmp_path: Path) -> None:
    one, other = (Slots.of(COMPUTE, tmp_path, digit * 32) for digit in "12")
    assert one.enter("a", 1, 2, 0, me(), tmp_path / "a") is None
    assert other.enter("a", 1, 2, 0, me(), tmp_path / "b") is None


def test_all_who_use_one_store_share_its_slots_however_its_path_is_written(tmp_path: Path) -> None:
    one = Slots.of(COMPUTE, tmp_path, "1" * 32)
    same = Slots.of({**COMPUTE, "store": "/home/me/program/.training/lab"}, tmp_path, "1" * 32)
    assert one.enter("a", 1, 2, 0, me(), tmp_path / "a") is None
    assert same.enter("b", 1, 1, 0, me(), tmp_path / "b") == 1
    assert (
        Slots.of({**COMPUTE, "cluster": "big"}, tmp_path, "1" * 32).enter("b", 1, 1, 0, me(), tmp_path / "b")
        is None
    ), "another cluster has slots of its own"


def test_two_copies_of_an_attempt_have_two_places_in_the_queue(tmp_path: Path) -> None:
    slots = Slots.of(COMPUTE, tmp_path, "1" * 32)
    assert slots.enter("a", 1, 2, 0, me(), tmp_path / "original") is None
    assert slots.enter("a", 1, 2, 0, me(), tmp_path / "copy") == 1
    slots.leave("a", 1, tmp_path / "copy")
    assert slots.held("a", 1, tmp_path / "original") is not None


def test_a_run_of_before_keeps_its_slots_in_its_own_store(tmp_path: Path) -> None:
    """It queued under the path of the store as it was written, with whoever else wrote it."""
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    before = Slots.of(COMPUTE, tmp_path)
    assert before.enter("old", 1, 1, 0, me(), attempt_in(here, "old")) is None
    assert before.enter("other", 1, 1, 0, me(), attempt_in(elsewhere, "other")) is None
    now = Slots.of(COMPUTE, tmp_path, "1" * 32)
    assert now.enter("wide", 1, 2, 0, me(), attempt_in(here, "wide")) == 1
    before.leave("old", 1)
    assert now.enter("wide", 1, 2, 0, me(), here / "runs" / "wide" / "attempts" / "1") is None


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
