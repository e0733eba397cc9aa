"""The view of a run that keeps itself up to date."""

from __future__ import annotations

import threading
import time
from html import escape
from typing import Any

import pytest
from shelf import Shelf, log, write

from pulumi_training.client.notebook_view import View, html_of, show
from pulumi_training.client.run import Run
from pulumi_training.spec.outcome import Outcome, Reason


class Cell:
    """Stands for a notebook's cell."""

    def __init__(self) -> None:
        self.shown: list[str] = []
        self.changed = threading.Event()

    def display(self, thing: Any, display_id: bool) -> Cell:
        assert display_id
        self.update(thing)
        return self

    def update(self, thing: Any) -> None:
        self.shown.append(thing._repr_html_())
        self.changed.set()

    def wait_for(self, text: str) -> None:
        deadline = time.monotonic() + 10
        while not any(text in each for each in self.shown):
            assert time.monotonic() < deadline, f"{text!r} never came: {self.shown[-1]}"
            self.changed.wait(0.05)
            self.changed.clear()


def test_a_live_run_is_shown_until_it_has_ended(shelf: Shelf) -> None:
    attempt = shelf.live("fit-1a2b3c4d5e")
    cell = Cell()
    show(Run(attempt_record(shelf)), 0.05, display=cell.display)
    assert "Running" in cell.shown[0]
    write(attempt, "metrics/rank-0.jsonl", b'{"step": 1, "total": 4, "loss": 2}\n{"step": 2, "loss": 1}\n')
    log(attempt, 0, b"epoch 2\n")
    cell.wait_for("step 2 of 4")
    cell.wait_for("epoch 2")
    assert "<polyline" in cell.shown[-1]
    write(attempt, "outputs/model.pkl", b"m")
    attempt.update(outcome=Outcome(Reason.COMPLETED))
    cell.wait_for("Completed")
    cell.wait_for("outputs/model.pkl")
    eventually_alone("show-fit-1a2b3c4d5e")


def test_an_ended_run_is_shown_once(shelf: Shelf) -> None:
    shelf.failed("fit-1a2b3c4d5e")
    cell = Cell()
    show(Run(attempt_record(shelf)), display=cell.display)
    assert len(cell.shown) == 1
    for words in (
        "ScriptFailed",
        "rank 1 on node 1 exited with code 3",
        escape(Reason.SCRIPT_FAILED.rule.advice),
    ):
        assert words in cell.shown[0]


def test_what_a_script_writes_is_text_and_no_markup(shelf: Shelf) -> None:
    attempt = shelf.live("fit-1a2b3c4d5e")
    write(attempt, "metrics/rank-0.jsonl", b'{"<script>": 1}\n{"<script>": 2}\n')
    log(attempt, 0, b"<img src=x onerror=alert(1)>\x1b[31mred\n")
    write(attempt, "outputs/<b>.txt", b"")
    shown = Run(attempt_record(shelf))._repr_html_()
    assert "<script>" not in shown
    assert "<img" not in shown
    assert "<b>.txt" not in shown
    assert "\x1b" not in shown


def test_nan_is_a_gap_and_long_series_are_thinned(shelf: Shelf) -> None:
    attempt = shelf.live("fit-1a2b3c4d5e")
    lines = ['{"loss": NaN}' if i == 500 else f'{{"loss": {i}}}' for i in range(1001)]
    write(attempt, "metrics/rank-0.jsonl", ("\n".join(lines) + "\n").encode())
    seen = View(Run(attempt_record(shelf))).look()
    ((name, points),) = seen.curves
    assert name == "loss"
    assert len(points) <= 300
    assert points[-1] == (1000.0, 1000.0)
    assert "nan" not in html_of(seen)


def test_outside_of_a_notebook_it_is_printed_once(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    attempt = shelf.live("fit-1a2b3c4d5e")
    write(attempt, "metrics/rank-0.jsonl", b'{"loss": 0.5}\n')
    log(attempt, 0, b"epoch 1\n")
    Run(attempt_record(shelf)).show()
    assert capsys.readouterr().out.splitlines() == ["fit-1a2b3c4d5e  Running  step 1/3  loss 0.5", "epoch 1"]


def attempt_record(shelf: Shelf) -> Any:
    from pulumi_training.record.record import Record

    return Record(shelf.store, "fit-1a2b3c4d5e")


def eventually_alone(name: str) -> None:
    deadline = time.monotonic() + 10
    while any(thread.name == name for thread in threading.enumerate()):
        assert time.monotonic() < deadline, "the view goes on after the run's end"
        time.sleep(0.02)
