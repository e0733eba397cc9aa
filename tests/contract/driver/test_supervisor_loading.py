"""Supervisors that load ahead of their order: they do nothing without one, and only so many load at once."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pulumi_training.driver import supervisor
from pulumi_training.driver.own_code import _INSTALLED as INSTALLED

WAITS = """import os, pathlib, sys
order = sys.stdin.buffer.read()
os.dup2(2, 1)
pathlib.Path(os.environ["ORDER_TO"]).write_bytes(order)
"""
SLOW = "import os, sys, time; time.sleep(0.2); os.dup2(2, 1); sys.stdin.buffer.read()"


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    (tmp_path / "launch").mkdir()
    monkeypatch.setattr(supervisor, "_BOOTSTRAP", SLOW)
    attempt = SimpleNamespace(prepare_folder=lambda: tmp_path)
    yield SimpleNamespace(
        run_id="fit-1",
        location="/s/fit-1",
        store=SimpleNamespace(url="/store"),
        attempt=lambda number: attempt,
    )
    for process in supervisor._children.values():
        process.wait(10)
    supervisor._children.clear()


def test_without_an_order_it_ends_and_takes_its_turn_along(record: Any) -> None:
    turns = supervisor._may_load._value
    supervisor.load_ahead(record, 1, "local")
    assert supervisor._may_load._value == turns - 1
    supervisor.dismiss(record, 1)
    assert not supervisor.is_starting(record)
    _until(lambda: supervisor._may_load._value == turns)


def test_the_one_that_was_loaded_gets_the_order(record: Any, tmp_path: Path) -> None:
    supervisor.load_ahead(record, 1, "local")
    process = supervisor._loading["/s/fit-1", 1]
    supervisor.spawn(record, 1, tmp_path, {})
    assert supervisor._children["/s/fit-1"] is process
    assert process.wait(10) == 0


def test_a_dead_one_is_replaced(record: Any, tmp_path: Path) -> None:
    supervisor.load_ahead(record, 1, "local")
    process = supervisor._loading["/s/fit-1", 1]
    process.kill()
    process.wait(10)
    supervisor.spawn(record, 1, tmp_path, {})
    assert supervisor._children["/s/fit-1"] is not process


def test_many_starts_at_once_take_turns(record: Any, tmp_path: Path) -> None:
    turns = supervisor._may_load._value
    least = [turns]

    def start(number: int) -> None:
        one = SimpleNamespace(**{**vars(record), "run_id": f"fit-{number}"})
        supervisor.spawn(one, 1, tmp_path, {})
        least.append(supervisor._may_load._value)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(start, range(4 * turns)))
    assert min(least) >= 0
    _until(lambda: supervisor._may_load._value == turns)


def test_one_that_stands_by_takes_no_turn_before_it_is_released(
    record: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "_BOOTSTRAP", WAITS)
    monkeypatch.setenv("ORDER_TO", str(tmp_path / "order"))
    turns = supervisor._may_load._value
    release = supervisor.stand_by(record, 1, tmp_path, {"TOKEN": "x"}, "a hold")
    assert supervisor.is_starting(record) and supervisor._may_load._value == turns
    time.sleep(0.2)
    assert not (tmp_path / "order").exists()
    release()
    assert supervisor._children["/s/fit-1"].wait(10) == 0
    order = json.loads((tmp_path / "order").read_text())
    assert (order["behind"], order["secrets"]) == ("a hold", {"TOKEN": "x"})
    _until(lambda: supervisor._may_load._value == turns)


def test_one_that_stands_by_goes_on_when_its_plugin_dies(tmp_path: Path) -> None:
    """The real bootstrap: with the end of its input, whoever ended it, the whole order is there and is carried out."""
    command = [
        sys.executable,
        "-I",
        "-c",
        supervisor._BOOTSTRAP,
        str(INSTALLED),
        "fit-1-a1",
        "waits",
    ]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    assert process.stdin is not None
    process.stdin.write(
        json.dumps({"store": str(tmp_path / "store"), "run_id": "fit-1", "attempt": 1}).encode()
    )
    process.stdin.flush()
    time.sleep(0.3)
    assert process.poll() is None
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1 and b"KeyError: 'secrets'" in said, "it read the order"


def _until(is_so: Any) -> None:
    deadline = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)
