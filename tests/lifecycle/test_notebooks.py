"""Runs from real Jupyter kernels: the view that keeps itself up to date, a restart in the middle, two at once."""

from __future__ import annotations

import queue
import re
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from browser import eventually as on_page
from browser import picture
from desk import Desk
from lab import SECONDS, eventually

if TYPE_CHECKING:
    from jupyter_client.blocking.client import BlockingKernelClient
    from selenium.webdriver.remote.webdriver import WebDriver

pytest.importorskip("ipykernel")
pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

BEGIN = """
import pulumi_training as training
from pulumi_training import local as target
ws = target.Workspace("lab")
cpu = target.ComputeCluster("cpu", workspace=ws, slots_per_node=4)
experiment = training.Experiment(ws, "My digits")
def estimator(**more):
    return training.Estimator("./src", entry_script="train.py", compute_target=cpu, **more)
"""
SCRIPT = """
    import os, sys, time
    report(step=1, total=4, loss=1.0, accuracy=0.25)
    print("first <epoch>", flush=True)
    while not os.path.exists(sys.argv[1]):
        time.sleep(0.05)
    for step in (2, 3, 4):
        report(step=step, total=4, loss=1 / step, accuracy=step / 4)
    open("outputs/model.txt", "w").write("weights")
    print("trained", flush=True)
"""


class Kernel:
    """A Jupyter kernel, and what it says."""

    def __init__(self, client: BlockingKernelClient) -> None:
        self._client = client
        self.shown: list[str] = []

    def run(self, code: str) -> str:
        """What a cell printed; an AssertionError with its traceback where it failed."""
        said: list[str] = []

        def hear(message: dict[str, Any]) -> None:
            self._note(message)
            if message["msg_type"] == "stream":
                said.append(message["content"]["text"])

        reply = self._client.execute_interactive(code, output_hook=hear, timeout=SECONDS)
        content = reply["content"]
        assert content["status"] == "ok", "\n".join(content.get("traceback", [])) + "".join(said)
        return "".join(said)

    def until_shown(self, words: str) -> str:
        """The HTML that a cell shows, once it has these words: its display keeps itself up to date."""
        deadline = time.monotonic() + SECONDS
        while not (self.shown and words in self.shown[-1]):
            assert time.monotonic() < deadline, f"never shown: {words}; at last: {self.shown[-1:]}"
            try:
                self._note(self._client.get_iopub_msg(timeout=1))
            except queue.Empty:
                continue
        return self.shown[-1]

    def _note(self, message: dict[str, Any]) -> None:
        if message["msg_type"] in ("display_data", "update_display_data"):
            html = message["content"]["data"].get("text/html")
            if html is not None:
                self.shown.append(html)


@contextmanager
def kernel() -> Iterator[tuple[Any, Kernel]]:
    from jupyter_client.manager import KernelManager

    manager = KernelManager(kernel_name="python3")
    manager.start_kernel()
    client = manager.blocking_client()
    try:
        client.start_channels()
        client.wait_for_ready(timeout=SECONDS)
        yield manager, Kernel(client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_the_view_shows_a_run_and_keeps_itself_up_to_date(desk: Desk, browser: WebDriver) -> None:
    go = desk.lab.sandbox.folder / "go"
    desk.lab.write(SCRIPT)
    with kernel() as (_, notebook):
        notebook.run(BEGIN)
        notebook.run(f"run = experiment.submit(estimator(script_params={{{str(go)!r}: None}}))")
        notebook.run("run.show(every=0.2)")
        notebook.until_shown("first &lt;epoch&gt;")
        live = notebook.until_shown("step 1 of 4")  # the row's own look at metrics may come a moment later
        assert "Running" in live and 'value="1"' in live
        go.touch()
        done = notebook.until_shown("Completed")
    for part in ("step 4 of 4", "trained", "outputs/model.txt", "logs/std/rank-0.log", "loss", "accuracy"):
        assert part in done, part
    assert len(re.findall("<polyline", done)) == 2
    browser.get("data:text/html;charset=utf-8," + urllib.parse.quote(f"<body>{done}</body>"))
    on_page(
        lambda: browser.execute_script("return document.querySelectorAll('polyline').length") == 2, "curves"
    )
    text = browser.execute_script("return document.body.innerText")
    assert "Completed" in text and "first <epoch>" in text
    assert browser.execute_script("return document.querySelector('progress').position") == 1
    picture(browser, "notebook-view")


def test_a_notebook_restarted_in_the_middle_finds_its_run(desk: Desk) -> None:
    go = desk.lab.sandbox.folder / "go"
    desk.lab.write(SCRIPT)
    with kernel() as (manager, notebook):
        notebook.run(BEGIN)
        run_id = notebook.run(
            f"print(experiment.submit(estimator(script_params={{{str(go)!r}: None}})).id)"
        ).strip()
        eventually(lambda: desk.experiment.get_runs()[0].get_status() == "Running", "the run runs")
        manager.restart_kernel(now=True)
        notebook._client.wait_for_ready(timeout=SECONDS)
        notebook.run(BEGIN)
        found = notebook.run("(run,) = experiment.get_runs()\nprint(run.id, run.get_status())")
        assert found.split() == [run_id, "Running"]
        go.touch()
        assert notebook.run("print(run.wait_for_completion().status)").strip() == "Completed"
        again = notebook.run(f"print(experiment.submit(estimator(script_params={{{str(go)!r}: None}})).id)")
        assert "nothing changed" in again and again.split()[-1] == run_id


def test_two_notebooks_submit_to_one_experiment_at_once(desk: Desk) -> None:
    desk.lab.write("import sys\nprint('trained', sys.argv[1])\n")
    with kernel() as (_, one), kernel() as (_, two):
        for notebook in (one, two):
            notebook.run(BEGIN)
        submit = "run = experiment.submit(estimator(script_params={'--seed': %d}))\nprint(run.id)"
        ids = [notebook.run(submit % seed).strip() for seed, notebook in enumerate((one, two))]
        same = [notebook.run(submit % 2).splitlines()[-1] for notebook in (one, two)]
        assert same[0] == same[1] and len({*ids, *same}) == 3
        for notebook in (one, two):
            ended = notebook.run(
                "print([(run.wait_for_completion().status, run.get_details().properties['attempt']) "
                "for run in experiment.get_runs()])"
            )
            assert ended.count("('Completed', '1')") == 3, ended


def test_a_view_with_a_board_and_a_killed_kernel_leaves_no_process(desk: Desk) -> None:
    desk.lab.write("import time\nreport(loss=1.0)\nprint('it goes on', flush=True)\ntime.sleep(600)")

    def boards() -> list[str]:
        words, found = ("board_process", "tensorboard_data_server"), []
        for process in desk.lab.left():
            with suppress(psutil.NoSuchProcess):
                found.append(" ".join(process.cmdline()))
        return [line for line in found if any(word in line for word in words)]

    with kernel() as (manager, notebook):
        notebook.run(BEGIN)
        notebook.run("run = experiment.submit(estimator())\ntraining.RunDetails(run).show()")
        notebook.until_shown("it goes on")
        url = notebook.run("print(training.Tensorboard([run]).start())").strip()
        assert url.startswith("http://localhost:")
        assert boards()
        manager.shutdown_kernel(now=True)  # SIGKILL
    (run,) = desk.experiment.get_runs()
    try:
        assert run.get_status() == "Running", "it outlives its notebook"
        eventually(lambda: not boards(), "the board ends with its kernel")
    finally:
        run.cancel(grace=0)
