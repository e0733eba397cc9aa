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
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from lab import SECONDS, Lab, eventually
from sandbox import COMPONENTS, Project

pytestmark = [pytest.mark.engine, pytest.mark.alone]

PROGRAM = """
    import json, pathlib
    import pulumi_training as training
    from pulumi_training import local as target

    told = json.loads(pathlib.Path("told.json").read_text())
    lab = target.Workspace("lab", **told["workspace"])
    cluster = target.ComputeCluster("cpu", workspace=lab, **told["cluster"])
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
        before = (
            json.loads(file.read_text())
            if file.exists()
            else {"workspace": {}, "cluster": {}, "jobs": {"fit": {}}}
        )
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


def test_a_run_whose_update_was_killed_is_named_everywhere_and_adopted(desk: Desk) -> None:
    go = desk.lab.folder / "go"
    script = f"import os, time\nwhile not os.path.exists({str(go)!r}):\n    time.sleep(0.1)"
    project = desk.project(script=script)
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
    eventually(lambda: len(list(desk.store(project).glob("updates/*"))) == 2, "the new update waits for it")
    assert desk.orphans(project) == []
    go.touch()
    assert "adopting attempt 1" in again.communicate(timeout=SECONDS)[0]
    assert desk.runs(project) == {run: "Completed"}


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


def test_nothing_of_a_living_update_is_listed_or_removed_at_any_phase(desk: Desk) -> None:
    """Two jobs and one slot: while `orphans --remove` looks again and again, each prepares, waits, runs and ends."""
    project = desk.project(script="import time\ntime.sleep(4)\nopen('outputs/m', 'w').write('m')")
    desk.tell(project, jobs={"one": {}, "two": {"wait": False}, "three": {}}, cluster={"slots_per_node": 1})
    up = desk.up(project)
    store, looks = str(desk.store(project)), 0
    while up.poll() is None:
        done = desk.command(project, "orphans", "--remove", "--yes", "--json", "--store", store)
        assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stdout + done.stderr
        looks += 1
    assert looks > 3 and up.returncode == 0, up.communicate()[0]
    assert desk.orphans(project) == [], "what is not waited for is in the state"
    eventually(lambda: set(desk.runs(project).values()) == {"Completed"}, "each came to its own end")
    assert not list(desk.store(project).glob("updates/*")), "an update that ended leaves nothing"
    project.destroy().succeeded()


def test_a_run_that_ctrl_c_left_alone_is_its_stacks(desk: Desk) -> None:
    project = desk.project()
    up = desk.up(project)
    run = desk.is_running(project)
    os.killpg(up.pid, signal.SIGINT)
    assert run in up.communicate(timeout=SECONDS)[0]
    assert desk.orphans(project) == [] and desk.runs(project) == {run: "Running"}
    project.destroy().succeeded()
    assert desk.runs(project) == {run: "Canceled"}


def test_a_replacement_that_was_killed_is_no_part_of_the_old_runs_stack(desk: Desk) -> None:
    project = desk.project(script="print('quick')")
    project.up().succeeded()
    (before,) = desk.runs(project)
    script = project.folder / "src" / "train.py"
    script.write_text(FOREVER)
    up = desk.up(project)
    eventually(lambda: "Running" in desk.runs(project).values(), "the replacement runs")
    desk.kill(up)
    (lost,) = [run for run, status in desk.runs(project).items() if status == "Running"]
    project.run("cancel", "--yes").succeeded()
    script.write_text("print('quick')")
    assert desk.orphans(project) == [lost]
    checked = project.preview().succeeded().text
    assert lost in checked and before not in checked.replace(lost, "")
    done = desk.command(project, "orphans", "--remove", "--yes", "--store", str(desk.store(project)))
    assert done.returncode == 0, done.stderr
    assert desk.runs(project) == {before: "Completed", lost: "Canceled"}


def waiting(desk: Desk, name: str = "lab", **more: str) -> tuple[Project, str]:
    """A project whose one job runs, and is in its state; `more` is the environment of its `up`."""
    project = desk.project(name)
    desk.tell(project, jobs={"fit": {"wait": False}})
    project.up(**more).succeeded()
    return project, desk.is_running(project)


def test_projects_with_a_backend_each_leave_each_others_runs_alone(desk: Desk) -> None:
    """As the README writes it: a folder of its own for each project's states, named in its Pulumi.yaml."""
    named = {k: v for k, v in desk.lab.sandbox.environment.items() if k != "PULUMI_BACKEND_URL"}
    desk.lab.sandbox = replace(desk.lab.sandbox, environment=named)
    projects = [project_with_backend(desk, name) for name in ("one", "two")]
    runs = [desk.is_running(project) for project in projects]
    for project, run in zip(projects, runs, strict=True):
        listed = desk.command(
            project, "orphans", "--remove", "--yes", "--json"
        )  # every store of this machine
        assert listed.returncode == 0 and run not in listed.stdout
        assert json.loads(listed.stdout) == []
        assert "belongs to other backends" in listed.stderr
    assert [set(desk.runs(project).values()) for project in projects] == [{"Running"}, {"Running"}]
    for project in projects:
        project.destroy().succeeded()


def project_with_backend(desk: Desk, name: str) -> Project:
    """A project with a backend of its own, and its job running."""
    home = desk.lab.sandbox.folder / "projects" / name
    (home / "src").mkdir(parents=True)
    (home / "state").mkdir()
    (home / "src" / "train.py").write_text(FOREVER)
    options = f"{{toolchain: pip, virtualenv: '{sys.prefix}'}}"
    (home / "Pulumi.yaml").write_text(
        f"name: {name}\nruntime: {{name: python, options: {options}}}\nbackend: {{url: 'file://./state'}}\n"
        f"plugins: {{providers: [{{name: training, path: '{COMPONENTS}'}}]}}\n"
    )
    project = Project(desk.lab.sandbox, home)
    project.write(PROGRAM)
    desk.tell(project, jobs={"fit": {"wait": False}})
    project.run("stack", "init", "test").succeeded()
    project.up().succeeded()
    return project


def test_stacks_of_one_name_in_two_backends_take_nothing_of_each_other(desk: Desk, tmp_path: Path) -> None:
    project = desk.project(script="open('outputs/m', 'w').write('m')")
    desk.tell(project, jobs={"fit": {"purge_on_delete": True}})
    other = {"PULUMI_BACKEND_URL": f"file://{tmp_path}/other"}
    (tmp_path / "other").mkdir()
    project.run("stack", "init", "test", **other).succeeded()
    project.up().succeeded()
    project.up(**other).succeeded()
    (run,) = desk.runs(project)
    project.destroy(**other).succeeded()
    attempts = desk.store(project) / "runs" / run / "attempts"
    assert (attempts / "1" / "outputs" / "m").read_text() == "m", "the first backend's stack has it"
    assert not (attempts / "2").exists(), "its own went"
    assert "unchanged" in project.up("--refresh").succeeded().text
    project.destroy().succeeded()
    assert not (desk.store(project) / "runs" / run).exists()


def test_a_live_run_of_two_backends_goes_on_until_both_gave_it_up(desk: Desk, tmp_path: Path) -> None:
    other = {"PULUMI_BACKEND_URL": f"file://{tmp_path}/other"}
    (tmp_path / "other").mkdir()
    project, run = waiting(desk)
    desk.tell(project, cluster={"max_nodes": 1, "slots_per_node": 2})  # room for one beside it
    project.run("stack", "init", "test", **other).succeeded()
    assert "adopting attempt 1" in project.up(**other).succeeded().text
    refused = project.up("--replace", "**fit", **other)
    assert refused.code != 0 and desk.runs(project) == {run: "Running"}
    # Its own new run, with another script, is no reason to stop what the first backend's stack has.
    (project.folder / "src" / "train.py").write_text("print('quick')")
    desk.tell(project, jobs={"fit": {}})
    project.up(**other).succeeded()
    assert desk.runs(project)[run] == "Running" and sorted(desk.runs(project).values()) == [
        "Completed",
        "Running",
    ]
    project.destroy(**other).succeeded()
    assert desk.runs(project)[run] == "Running"
    assert desk.orphans(project) == [] and desk.orphans(project, **other) == []
    project.destroy().succeeded()
    assert desk.runs(project)[run] == "Canceled"


def test_a_run_in_a_state_of_any_form_is_no_orphan(desk: Desk) -> None:
    compressed = {"PULUMI_SELF_MANAGED_STATE_GZIP": "true"}
    project, run = waiting(desk, **compressed)
    states = (
        Path(desk.lab.sandbox.environment["PULUMI_BACKEND_URL"].removeprefix("file://")) / ".pulumi/stacks"
    )
    assert list(states.glob("*/test.json.gz")), "the state is compressed"
    assert desk.orphans(project) == []
    plain = dict.fromkeys(("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"), "")
    assert desk.orphans(project, **plain) == [], "nothing in it is decrypted"
    project.run("stack", "rename", "renamed").succeeded()
    assert desk.orphans(project) == []

    (states / "lab" / "broken.json").write_bytes(gzip.compress(b"{")[:12])
    refused = desk.command(project, "orphans", "--remove", "--yes", "--store", str(desk.store(project)))
    assert refused.returncode != 0 and "broken" in refused.stderr
    assert "Traceback" not in refused.stderr and desk.runs(project) == {run: "Running"}
    (states / "lab" / "broken.json").unlink()
    project.destroy().succeeded()


def test_a_run_from_before_backends_were_recorded_is_removed_on_demand_only(desk: Desk) -> None:
    project, run = waiting(desk)
    folder = desk.store(project) / "runs" / run
    for path in folder.glob("claims/*"):
        path.unlink()
    document = json.loads((folder / "attempts/1/attempt.json").read_text())
    del document["backend"]
    (folder / "attempts/1/attempt.json").write_text(json.dumps(document))
    assert desk.orphans(project, "--unknown") == [], "a state has it"
    project.run("stack", "rm", "--force", "--yes").succeeded()
    store = ("--store", str(desk.store(project)))
    left = desk.command(project, "orphans", "--remove", "--yes", "--json", *store)
    assert (left.returncode, json.loads(left.stdout)) == (0, [])
    assert f"pulumi-training cancel {run}" in left.stderr and "--unknown" in left.stderr
    assert desk.runs(project) == {run: "Running"}
    done = desk.command(project, "orphans", "--remove", "--unknown", "--yes", *store)
    assert done.returncode == 0 and desk.runs(project) == {run: "Canceled"}
