"""Many jobs over one tree share scans, and nobody sees a state older than asked for."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pulumi_training.identity.flight import Flights
from pulumi_training.identity.tree import read_tree
from pulumi_training.spec.errors import Problem, SpecError


def test_a_hundred_calls_at_once_cost_a_few_scans() -> None:
    flights: Flights[int] = Flights()
    runs: list[float] = []
    ready = threading.Barrier(100)

    def work() -> int:
        runs.append(time.monotonic())
        time.sleep(0.05)
        return len(runs)

    def call(_: int) -> int:
        ready.wait()
        return flights.run("tree", work)

    with ThreadPoolExecutor(100) as pool:
        list(pool.map(call, range(100)))
    assert len(runs) <= 3


def test_a_call_never_gets_work_that_started_before_it() -> None:
    flights: Flights[int] = Flights()
    state, started, go_on = [1], threading.Event(), threading.Event()

    def slow() -> int:
        seen = state[0]
        started.set()
        go_on.wait(5)
        return seen

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(flights.run, "tree", slow)
        started.wait(5)
        state[0] = 2
        second = pool.submit(flights.run, "tree", lambda: state[0])
        time.sleep(0.02)
        go_on.set()
        assert (first.result(5), second.result(5)) == (1, 2)


def test_an_edit_between_two_calls_is_seen_at_once(write) -> None:
    root = write({"a.py": "1"})
    before = read_tree(root)
    write({"a.py": "2"})
    assert read_tree(root).digest != before.digest


def test_a_caller_may_accept_a_result_that_is_a_moment_old() -> None:
    flights: Flights[int] = Flights()
    count = iter(range(10))
    assert flights.run("tree", lambda: next(count)) == 0
    assert flights.run("tree", lambda: next(count), max_age=60) == 0
    assert flights.run("other", lambda: next(count), max_age=60) == 1
    assert flights.run("tree", lambda: next(count)) == 2


def test_a_refusal_is_shared_and_a_crash_is_not() -> None:
    flights: Flights[int] = Flights()

    def refuse() -> int:
        raise SpecError(Problem("sourceDirectory", "no"))

    def crash() -> int:
        raise RuntimeError("once")

    with pytest.raises(RuntimeError):
        flights.run("tree", crash)
    assert flights.run("tree", lambda: 7, max_age=60) == 7
    with pytest.raises(SpecError) as first:
        flights.run("tree", refuse)
    with pytest.raises(SpecError) as second:
        flights.run("tree", lambda: 7, max_age=60)
    assert first.value is not second.value
    assert second.value.path == "sourceDirectory"


def test_old_slots_are_forgotten(tmp_path: Path) -> None:
    flights: Flights[int] = Flights()
    for number in range(100):
        flights.run(number, lambda: 1)
    assert len(flights._slots) <= Flights.KEPT + 1
