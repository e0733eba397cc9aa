"""What a loop of many runs is made of: pauses that fit what is going on, and threads that do not grow with the runs."""

from __future__ import annotations

import asyncio
import os
import threading

import pytest

from pulumi_training.driver.unattended.pace import Pace
from pulumi_training.driver.unattended.workers import Workers
from pulumi_training.spec.tracking_variables import CREDENTIALS
from pulumi_training.tracking.login import logged_in, own_credentials


def test_what_changes_is_asked_for_soon_and_what_does_not_seldom() -> None:
    pace = Pace(1.0, 4.0)
    pauses = [pace.after_answer(is_new=False, took=0.0) for _ in range(5)]
    assert pauses == [1.5, 2.25, 3.375, 4.0, 4.0]
    assert pace.after_answer(is_new=True, took=0.0) == 1.0
    pace.after_answer(is_new=False, took=0.0)
    pace.hurry()
    assert pace.after_answer(is_new=False, took=0.0) == 1.5


def test_a_slow_service_is_left_alone_most_of_the_time() -> None:
    pace = Pace(0.25, 3.0)
    assert pace.after_answer(is_new=True, took=2.0) == 8.0
    assert pace.after_answer(is_new=True, took=0.0, least=30.0) == 30.0


def test_a_silent_service_is_asked_ever_more_seldom() -> None:
    pace = Pace(1.0, 3.0)
    assert [pace.after_trouble() for _ in range(5)] == [2.0, 4.0, 8.0, 15.0, 15.0]
    assert pace.after_answer(is_new=True, took=0.0) == 1.0


def test_threads_are_bounded_and_none_keeps_the_process() -> None:
    workers = Workers("bounded", 3)
    most, at_once, guard = 0, 0, threading.Lock()
    gate = threading.Barrier(3)

    def work(number: int) -> int:
        nonlocal most, at_once
        with guard:
            at_once += 1
            most = max(most, at_once)
        gate.wait(5)
        with guard:
            at_once -= 1
        return number

    async def all_of_them() -> list[int]:
        return await asyncio.gather(*(workers.run(work, number) for number in range(30)))

    assert asyncio.run(all_of_them()) == list(range(30)) and most == 3
    ours = [thread for thread in threading.enumerate() if thread.name.startswith("bounded")]
    assert len(ours) == 3 and all(thread.daemon for thread in ours)


def test_what_a_thread_raises_is_raised_where_it_is_waited_for() -> None:
    workers = Workers("raising", 1)

    def fail() -> None:
        raise ValueError("no")

    async def twice() -> int:
        with pytest.raises(ValueError, match="no"):
            await workers.run(fail)
        return await workers.run(lambda: 7)

    assert asyncio.run(twice()) == 7, "the thread goes on"


def test_steps_with_another_login_wait_and_this_process_keeps_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in CREDENTIALS:
        monkeypatch.delenv(name, raising=False)
    name = CREDENTIALS[-1]
    monkeypatch.setenv(name, "own")
    inside, seen = threading.Event(), []
    leave = threading.Event()

    def first() -> None:
        with logged_in({name: "one", "OTHER": "x"}):
            inside.set()
            leave.wait(5)
            seen.append(os.environ[name])

    def second() -> None:
        with logged_in({name: "two"}):
            seen.append(os.environ[name])

    threads = [threading.Thread(target=first)]
    threads[0].start()
    assert inside.wait(5)
    with logged_in({name: "one"}):
        assert os.environ[name] == "one", "the same login needs no turn"
    threads.append(threading.Thread(target=second))
    threads[1].start()
    assert own_credentials() == {name: "own"} and "OTHER" not in os.environ
    assert seen == []
    leave.set()
    for thread in threads:
        thread.join(5)
    assert seen == ["one", "two"] and os.environ[name] == "own"
