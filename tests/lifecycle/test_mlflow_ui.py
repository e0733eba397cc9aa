"""MLflow's pages as `pulumi-training mlflow` opens them, in a real browser."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from lab import Lab
from test_mlflow import Tracked

if TYPE_CHECKING:
    from selenium.webdriver.remote.webdriver import WebDriver

pytestmark = pytest.mark.engine
SECONDS = 120
"""How long a page may take on a busy machine."""


def shows(browser: WebDriver, *words: str) -> Any:
    """Waits until the page shows all of `words`."""
    deadline = time.monotonic() + SECONDS
    while True:
        text = str(browser.execute_script("return document.body ? document.body.innerText : ''"))
        if all(word in text for word in words):
            return text
        assert time.monotonic() < deadline, f"{words} not in the page: {text[:3000]}"
        time.sleep(0.2)


def test_the_pages_show_a_run_with_its_metric(lab: Lab, browser: WebDriver) -> None:
    tracked = Tracked(lab)
    lab.write("""
        import mlflow
        mlflow.log_metric("own_score", 0.75)
        for step in range(5):
            report(step=step, accuracy=0.5 + step / 10)
    """)
    lab.settings.update(script_params={"--epochs": 5}, display_name="Digits for the browser")
    tracked.stack().up().succeeded()
    (run,) = tracked.ended()
    command = subprocess.Popen(
        [
            str(Path(sys.executable).with_name("pulumi-training")), "mlflow", "--store", str(lab.store), "--no-browser",
        ],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        assert command.stdout is not None
        url = command.stdout.readline().strip()
        assert url.startswith("http://127.0.0.1:")
        browser.get(url)
        shows(browser, "lab/test")
        url = url.partition("/#")[0]
        browser.get(f"{url}/#/experiments/{run.info.experiment_id}/runs")
        shows(browser, "Digits for the browser")
        browser.get(
            f"{url}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}?workflowType=machine_learning"
        )
        shows(
            browser,
            "Digits for the browser",
            "accuracy",
            "0.9",
            "own_score",
            "0.75",
            "args.epochs",
            "Finished",
        )
        if folder := os.environ.get("TRAINING_PICTURES"):
            browser.save_screenshot(str(Path(folder, "mlflow-run.png")))
    finally:
        os.killpg(command.pid, signal.SIGINT)  # as a terminal does it
        said = command.communicate(timeout=60)
    assert command.returncode == 0, said
