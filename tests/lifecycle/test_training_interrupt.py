"""The person presses Ctrl-C, or the command line is killed, in the middle of training."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress

import psutil
import pytest
from lab import Lab, eventually
from sandbox import Project

pytestmark = pytest.mark.engine

PROGRAM = """
    import pulumi_training as training
    from pulumi_training import local as target

    lab = target.Workspace("lab")
    cluster = target.ComputeCluster("cpu", workspace=lab)
    training.TrainingJob("fit", compute=cluster, source_directory="./src", entry_script="train.py",
                         environment_variables={{"PLACE": {place!r}}}, **{more!r})
"""
ALONE = """
    # A second copy of this script cannot start while one runs.
    import pathlib, time
    place = pathlib.Path(os.environ["PLACE"])
    os.close(os.open(place / "lock", os.O_CREAT | os.O_EXCL))
    try:
        while not (place / "go").exists():
            time.sleep(0.05)
    finally:
        (place / "lock").unlink()
"""


class Running:
    """A `pulumi up` on the command line, its script running."""

    def __init__(self, lab: Lab, **more: object) -> None:
        self.lab = lab
        place = lab.folder / "place"
        place.mkdir()
        self.place = place
        self.project: Project = lab.sandbox.project(PROGRAM.format(place=str(place), more=more), name="lab")
        lab.folder = self.project.folder  # its records are below the project
        lab.write(ALONE)
        self.process = self.start()
        eventually((place / "lock").exists, "the script runs")

    def start(self) -> subprocess.Popen[str]:
        return self.lab.sandbox.start("up", "--yes", "--skip-preview", cwd=self.project.folder)

    def interrupt(self) -> str:
        """Ctrl-C, as a terminal sends it to everyone in front of it; what the command then said."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.communicate(timeout=90)[0]

    def attempts(self) -> list[tuple[int, str]]:
        return [(a["attempt"], a["status"]) for a in self.lab.attempts()]


@pytest.fixture
def ended(lab: Lab) -> Iterator[list[Running]]:
    """What a test starts, ended in any case."""
    started: list[Running] = []
    yield started
    for running in started:
        (running.place / "go").touch()
        if running.process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(running.process.pid, signal.SIGKILL)
        running.process.wait()


def test_ctrl_c_detaches_and_the_next_up_adopts_the_run(lab: Lab, ended: list[Running]) -> None:
    running = Running(lab)
    ended.append(running)
    words = running.interrupt()
    assert running.process.returncode != 0
    assert "goes on" in words
    assert "`pulumi up` attaches to it again" in words
    assert "pulumi-training cancel fit-" in words
    assert "Traceback" not in words
    assert (running.place / "lock").exists()
    assert running.attempts() == [(1, "Running")]

    assert "will re-attach to attempt 1" in running.project.preview().text
    again = running.process = running.start()
    (running.place / "go").touch()
    text = again.communicate(timeout=90)[0]
    assert again.returncode == 0, text
    assert running.attempts() == [(1, "Completed")]
    assert "unchanged" in running.project.up().succeeded().text


def test_ctrl_c_twice_ends_at_once_and_loses_nothing(lab: Lab, ended: list[Running]) -> None:
    running = Running(lab)
    ended.append(running)
    os.killpg(running.process.pid, signal.SIGINT)
    running.interrupt()
    assert running.process.returncode != 0
    assert (running.place / "lock").exists()
    (running.place / "go").touch()
    # The second Ctrl-C may have left the stack locked; there is nothing to cancel where it did not.
    running.project.run("cancel", "--yes")
    running.project.up().succeeded()
    assert running.attempts() == [(1, "Completed")]


def test_ctrl_c_stops_a_job_that_wants_it(lab: Lab, ended: list[Running]) -> None:
    running = Running(lab, on_cancel="stop")
    ended.append(running)
    words = running.interrupt()
    assert "was stopped because the update was canceled" in words
    assert running.attempts() == [(1, "Canceled")]
    eventually(lab.is_quiet, "every process of the run ended")

    (running.place / "lock").unlink(missing_ok=True)
    (running.place / "go").touch()
    assert "will start attempt 2" in running.project.preview().text
    running.project.up().succeeded()
    assert running.attempts() == [(1, "Canceled"), (2, "Completed")]


def test_a_killed_command_line_leaves_a_run_that_the_next_up_adopts(lab: Lab, ended: list[Running]) -> None:
    running = Running(lab)
    ended.append(running)
    plugins = [p for p in lab.left() if "pulumi-resource-training" in " ".join(p.cmdline()) or _is_plugin(p)]
    assert plugins
    running.process.kill()
    running.process.communicate(timeout=30)
    eventually(
        lambda: not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in plugins),
        "the plugin ended by itself",
    )
    assert running.attempts() == [(1, "Running")]

    assert running.project.up().code != 0  # the stack is locked still
    running.project.run("cancel", "--yes").succeeded()
    (running.place / "go").touch()
    text = running.project.up().succeeded().text
    assert "adopting attempt 1" in text
    assert running.attempts() == [(1, "Completed")]


def _is_plugin(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return str(process.cmdline()[1:2]).find("components") >= 0
    return False
