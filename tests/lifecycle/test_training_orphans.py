"""Whose a run is: an update that was killed, one that goes on, two backends over one store, and states of every kind."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from lab import SECONDS, Lab, eventually
from sandbox import Project

pytestmark = pytest.mark.engine

PROGRAM = """
    import json, pathlib
    import pulumi_training as training
    from pulumi_training import local as target

    told = json.loads(pathlib.Path("told.json").read_text())
    lab = target.Workspace("lab", **told["workspace"])
    cluster = target.ComputeCluster("cpu", workspace=lab)
    for name, more in told["jobs"].items():
        training.TrainingJob(name, compute=cluster, source_directory="./src", entry_script="train.py",
                             grace_period_seconds=0, **more)
"""
FOREVER = "import time\ntime.sleep(600)"


@dataclass
class Desk:
    """Projects on the command line, with everything that a test starts ended when it is over."""

    lab: Lab
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def project(self, name: str = "lab", script: str = FOREVER, **workspace: str) -> Project:
        made = self.lab.sandbox.project(PROGRAM, name=name)
        self.tell(made, workspace=workspace)
        (made.folder / "src").mkdir()
        (made.folder / "src" / "train.py").write_text(script)
        return made

    def tell(self, project: Project, **told: Any) -> None:
        """What the program declares: `jobs` by name, each with further parameters, and the workspace's."""
        file = project.folder / "told.json"
        before = json.loads(file.read_text()) if file.exists() else {"workspace": {}, "jobs": {"fit": {}}}
        file.write_text(json.dumps({**before, **told}))

    def up(self, project: Project, **more: str) -> subprocess.Popen[str]:
        process = self.lab.sandbox.start("up", "--yes", "--skip-preview", cwd=project.folder, **more)
        self.started.append(process)
        return process

    def kill(self, process: subprocess.Popen[str]) -> None:
        """kill -9 of the engine alone; returns when its plugins have noticed it."""
        below = psutil.Process(process.pid).children(recursive=True)
        plugins = [each for each in below if "pulumi_training" in " ".join(each.cmdline())]
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        psutil.wait_procs([each for each in plugins if _is_plugin(each)], timeout=60)

    def store(self, project: Project) -> Path:
        return project.folder / ".training" / "lab"

    def runs(self, project: Project) -> dict[str, str]:
        """The status of the newest attempt of each run."""
        found = {}
        for path in sorted(self.store(project).glob("runs/*/attempts/*/attempt.json")):
            document = json.loads(path.read_text())
            found[document["run_id"]] = document["status"]
        return found

    def is_running(self, project: Project) -> str:
        """The id of the one run, once it runs."""
        eventually(lambda: list(self.runs(project).values()) == ["Running"], "the script runs")
        return next(iter(self.runs(project)))

    def command(self, project: Project, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        environment = {**self.lab.sandbox.environment, **more}
        environment["PATH"] = f"{self.lab.sandbox.pulumi.parent}{os.pathsep}{environment['PATH']}"
        return subprocess.run(
            [sys.executable, "-m", "pulumi_training.cli.main", *words],
            cwd=project.folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=SECONDS,
        )  # fmt: skip

    def orphans(self, project: Project, *words: str, **more: str) -> list[str]:
        """The ids that `orphans` lists of this project's store."""
        done = self.command(project, "orphans", "--json", "--store", str(self.store(project)), *words, **more)
        assert done.returncode == 0, done.stdout + done.stderr
        return [each["run"] for each in json.loads(done.stdout)]


def _is_plugin(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return "TRAINING_RUN_ID" not in process.environ() and "supervise" not in " ".join(process.cmdline())
    return False


@pytest.fixture
def desk(lab: Lab) -> Iterator[Desk]:
    made = Desk(lab)
    yield made
    for process in made.started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    for each in made.lab.left():
        with suppress(psutil.NoSuchProcess):
            each.kill()


def test_a_run_whose_update_was_killed_is_named_everywhere_and_adopted_or_stopped(desk: Desk) -> None:
    project = desk.project()
    up = desk.up(project)
    run = desk.is_running(project)
    assert desk.orphans(project) == [], "its update waits for it"
    desk.kill(up)
    assert desk.orphans(project) == [run], "the lock that is left is a dead process's"
    project.run("cancel", "--yes").succeeded()
    project.destroy().succeeded()
    assert desk.runs(project) == {run: "Running"}, "destroy cannot know of it"

    listed = desk.command(project, "orphans", "--store", str(desk.store(project)))
    assert run in listed.stdout and f"cancel {run}" not in listed.stdout
    assert "pulumi up" in listed.stderr and "pulumi-training cancel" in listed.stderr
    doctor = desk.command(project, "doctor", "--json")
    remedies = [
        c["remedy"] for c in json.loads(doctor.stdout) if c["name"] == "Orphan" and run in c["message"]
    ]
    assert len(remedies) == 1 and "pulumi up" in remedies[0] and f"cancel {run}" in remedies[0]
    desk.tell(project, jobs={"other": {"environment_variables": {"A": "1"}}})
    checked = project.preview().succeeded().text
    assert run in checked and f"pulumi-training cancel {run}" in checked

    desk.tell(project, jobs={"fit": {}})
    again = desk.up(project)
    eventually(lambda: desk.orphans(project) == [], "the new update waits for it")
    assert desk.command(project, "cancel", run).returncode == 0
    assert "adopting attempt 1" in again.communicate(timeout=SECONDS)[0]
    assert desk.runs(project) == {run: "Canceled"}


def test_what_a_killed_update_left_is_removed_and_nothing_else(desk: Desk) -> None:
    project = desk.project()
    up = desk.up(project)
    run = desk.is_running(project)
    refused = desk.command(project, "orphans", "--remove", "--yes", "--store", str(desk.store(project)))
    assert refused.returncode == 0 and desk.runs(project) == {run: "Running"}
    desk.kill(up)
    done = desk.command(project, "orphans", "--remove", "--yes", "--store", str(desk.store(project)))
    assert done.returncode == 0, done.stdout + done.stderr
    assert desk.runs(project) == {run: "Canceled"}
    assert desk.orphans(project) == []
