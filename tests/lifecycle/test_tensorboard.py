"""TensorBoard over runs on the real engine, looked at in a real browser."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browser import eventually as on_page
from browser import picture
from desk import Desk
from lab import eventually

import pulumi_training as training

if TYPE_CHECKING:
    from selenium.webdriver.remote.webdriver import WebDriver

pytestmark = [pytest.mark.engine, pytest.mark.browser]
pytest.importorskip("tensorboard")

SCRIPT = """
    import pathlib, sys, time
    from azureml.core import Run
    from tensorboardX import SummaryWriter

    run, writer = Run.get_context(), SummaryWriter("logs", flush_secs=1)
    step, wanted = 0, pathlib.Path(sys.argv[1])
    while (until := int(wanted.read_text() or 0)) >= 0:
        while step < until:
            writer.add_scalar("loss", 1 / (step + 1), step)
            run.log("accuracy", 1 - 1 / (step + 1), step=step)
            step += 1
        writer.flush()
        time.sleep(0.05)
"""


class Training:
    """A run that trains as many steps as it is told to."""

    def __init__(self, desk: Desk) -> None:
        desk.script(SCRIPT)
        self._wanted = desk.lab.sandbox.folder / "wanted"
        self.until(0)
        estimator = desk.estimator(
            user_managed=True, interpreter=sys.executable, script_params={str(self._wanted): None}
        )
        run = desk.experiment.submit(estimator)
        assert isinstance(run, training.Run)
        self.run = run

    def until(self, steps: int) -> None:
        fresh = self._wanted.with_suffix(".new")
        fresh.write_text(str(steps))
        fresh.replace(self._wanted)

    def end(self) -> None:
        self.until(-1)
        assert self.run.wait_for_completion().status == "Completed"

    def __enter__(self) -> Training:
        return self

    def __exit__(self, *_: object) -> None:
        self.run.cancel(grace=0)  # nothing, where it has ended


def test_scalars_of_a_running_job_appear_and_grow(desk: Desk, browser: WebDriver) -> None:
    with Training(desk) as job, training.Tensorboard([job.run]) as board:
        browser.get(board.start())  # before there is anything to see
        job.until(3)
        eventually(lambda: job.run.get_metrics(), "the script reports")
        page = Page(browser)
        on_page(lambda: page.last_step("loss") == 2, "the first three points are drawn")
        on_page(lambda: page.last_step("accuracy") == 2, "what was logged to the run is drawn too")
        assert page.runs() == {job.run.id, f"{job.run.id}/metrics"}
        picture(browser, "tensorboard-begun")
        job.until(40)
        on_page(lambda: page.last_step("loss") == 39, "the curve has grown")
        on_page(lambda: page.last_step("accuracy") == 39, "the metric has grown")
        picture(browser, "tensorboard-grown")
        assert job.run.get_status() == "Running"
        job.end()


def test_the_command_shows_a_live_and_a_finished_run_and_ends_with_ctrl_c(
    desk: Desk, browser: WebDriver
) -> None:
    with Training(desk) as finished:
        finished.until(5)
        eventually(lambda: finished.run.get_metrics(), "the script reports")
        finished.end()
    desk.experiment = training.Experiment(desk.workspace, "other")
    with Training(desk) as live:
        live.until(7)
        eventually(lambda: live.run.get_metrics(), "the script reports")
        command = subprocess.Popen(
            [str(Path(sys.executable).with_name("pulumi-training")), "tensorboard", finished.run.id, "other"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        try:
            assert command.stdout is not None
            browser.get(command.stdout.readline().strip())
            page = Page(browser)
            on_page(lambda: page.runs() >= {finished.run.id, live.run.id}, "both runs are there")
            on_page(lambda: page.last_step("loss") == 6, "the live one is drawn")
            live.until(12)
            on_page(lambda: page.last_step("loss") == 11, "the live one grows")
            picture(browser, "tensorboard-two-runs")
        finally:
            os.killpg(command.pid, signal.SIGINT)  # as a terminal does it
            said = command.communicate(timeout=60)
        assert command.returncode == 0, said
        live.end()


class Page:
    """TensorBoard's page of scalars."""

    def __init__(self, driver: WebDriver) -> None:
        self._driver = driver

    def runs(self) -> set[str]:
        """The names in the list of runs."""
        return {name.strip() for name in self._texts("runs-data-table tb-data-table-content-row")} - {""}

    def last_step(self, tag: str) -> int | None:
        """The highest last step of any run in the card of a tag, after asking the page for what is new."""
        self._click(".reload-button")
        self._click(".group-toolbar[aria-label='Expand group']")
        steps = self._driver.execute_script(
            """
            const cards = [...document.querySelectorAll('scalar-card')];
            const card = cards.find(each => each.querySelector('.heading')?.innerText.trim() === arguments[0]);
            const table = card && card.querySelector('tb-data-table');
            if (!table) return [];
            const heads = [...table.querySelectorAll('tb-data-table-header-cell')].map(h => h.innerText.trim());
            const at = heads.indexOf('Step');
            return [...table.querySelectorAll('tb-data-table-content-row')].map(
                row => [...row.querySelectorAll('tb-data-table-content-cell')].map(c => c.innerText.trim())[at]);
            """,
            tag,
        )
        numbers = [int(step.replace(",", "")) for step in steps if step and step.replace(",", "").isdigit()]
        return max(numbers, default=None)

    def _texts(self, selector: str) -> list[str]:
        found: list[str] = self._driver.execute_script(
            "return [...document.querySelectorAll(arguments[0])].map(each => each.innerText)", selector
        )
        return found

    def _click(self, selector: str) -> None:
        self._driver.execute_script("document.querySelector(arguments[0])?.click()", selector)
