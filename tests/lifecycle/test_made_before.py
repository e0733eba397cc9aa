"""What 218181b left behind is as good today: nothing is trained again, and every command reads it.

A change that fails here would cost people of that version a training or a record. The fixtures are never made anew for it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from lab import eventually
from past import PROJECTS, Past, with_folders
from sandbox import Engine, make_sandbox
from typer.testing import CliRunner

from pulumi_training.cli.main import build

pytestmark = pytest.mark.engine

COMMIT = "218181b"
JOB = "training:index:TrainingJob"
STATUS = {"failed": "Failed", "unmet": "Failed", "canceled": "Canceled"}
"""How each job of the fixtures ended; those not named were Completed."""


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Iterator[Past]:
    """The fixtures in place, for tests that change nothing of them."""
    yield place(tmp_path_factory.mktemp("past"), engine)


@pytest.fixture
def own_past(tmp_path: Path, engine: Engine) -> Iterator[Past]:
    """The fixtures in place, for one test."""
    yield place(tmp_path, engine)


def place(folder: Path, engine: Engine) -> Past:
    return Past(COMMIT, with_folders(make_sandbox(folder, engine))).place()


@pytest.fixture
def call(past: Past, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """`pulumi-training` in a project's folder, on one workspace; what it printed."""
    for name in ("TRAINING_STATE_DIR", "TRAINING_CACHE_DIR", "PULUMI_HOME"):
        monkeypatch.setenv(name, past.sandbox.environment[name])

    def call(project: str, workspace: str, *words: str) -> str:
        monkeypatch.chdir(past.project(project).folder)
        done = CliRunner().invoke(build(), [*words, "--store", str(past.store(project, workspace))])
        assert done.exit_code == 0, done.output
        return done.stdout

    return call


def records(past: Past) -> list[tuple[str, str, str]]:
    """Project, workspace and run id of every record, the pruned one too."""
    root = past.sandbox.folder / "projects"
    found = root.glob("*/.training/*/runs/*/run.json")
    return sorted((path.parents[4].name, path.parents[2].name, path.parent.name) for path in found)


def contents(past: Past) -> dict[str, tuple[int, bytes]]:
    """Every file of every record; locks and lists of this machine's own are no part of it."""
    root = past.sandbox.folder / "projects"
    return {
        str(path.relative_to(root)): (path.lstat().st_mode, path.read_bytes())
        for path in root.glob("*/.training/*/*/**/*")
        if path.is_file() and not path.name.startswith(".~") and path.suffix != ".lock"
    }


@pytest.mark.parametrize("project", PROJECTS)
def test_a_preview_shows_what_it_showed_then(past: Past, project: str) -> None:
    before = contents(past)
    answer = past.project(project).preview("--json").succeeded()
    steps = {step["urn"].rsplit("::", 1)[-1]: step["op"] for step in json.loads(answer.stdout)["steps"]}
    shown = {name: op for name, op in steps.items() if op not in ("same", "read")}
    then = past.read("steps.json")[project]
    assert shown == {name: op for name, op in then.items() if op not in ("same", "read")}
    assert "replace" not in str(shown) and "create" not in str(shown)
    after = contents(past)
    assert {path: after.get(path) for path in before} == before, "what is there stays as it was, to the byte"
    assert {path.split("/")[-2] for path in set(after) - set(before)} <= {"claims"}, (
        "who owns a run may be noted"
    )


def test_an_update_trains_nothing(own_past: Past) -> None:
    """Jobs that had failed would run again, which is right; all others are left as they are."""
    project = own_past.project("local")
    before = contents(own_past)
    failed = [r["urn"] for name, r in own_past.state("local").items() if name in STATUS]
    project.up(*(f"--exclude={urn}" for urn in failed)).succeeded()
    after = contents(own_past)
    assert set(after) >= set(before)
    assert not [path for path in set(after) - set(before) if path.endswith("/attempt.json")]
    changed = {path for path in before if after[path] != before[path]}
    assert {path.rsplit("/", 1)[-1] for path in changed} <= {"attempt.json", "run.json"}
    assert not left(own_past)


@pytest.mark.parametrize("project", PROJECTS)
def test_a_refresh_finds_no_change(own_past: Past, project: str) -> None:
    before = jobs(own_past, project)
    own_past.project(project).run("refresh", "--yes", "--skip-preview").succeeded()
    after = jobs(own_past, project)
    for name in before:
        for key, value in before[name]["inputs"].items():  # a ciphertext is another one each time
            assert after[name]["inputs"][key] == value or "ciphertext" in str(value)
        assert after[name]["id"] == before[name]["id"]
        assert after[name]["outputs"]["status"] == STATUS.get(name, "Completed")


def test_every_run_is_listed_and_shown(past: Past, call: Callable[..., str]) -> None:
    found = records(past)
    assert len(found) >= 26
    for project, workspace in {(project, workspace) for project, workspace, _ in found}:
        listed = {
            line["run_id"]: line for line in json.loads(call(project, workspace, "runs", "list", "--json"))
        }
        runs = {run for p, w, run in found if (p, w) == (project, workspace)}
        assert set(listed) == runs
        for run in runs:
            assert listed[run]["status"] == STATUS.get(job_of(run), "Completed")
    for project, workspace, run in found:
        shown = json.loads(call(project, workspace, "runs", "show", run, "--json"))
        assert shown["run"]["run_id"] == run
        assert shown["status"] == STATUS.get(job_of(run), "Completed")
        assert run in call(project, workspace, "runs", "show", run, "--all")


def test_every_log_is_printed(past: Past, call: Callable[..., str]) -> None:
    for project, workspace, run in kept(past):
        printed = call(project, workspace, "logs", run)
        for path in past.store(project, workspace).glob(
            f"runs/{run}/attempts/{newest(past, project, workspace, run)}/logs/std/*"
        ):
            for line in path.read_text().splitlines():
                assert line in printed
        assert "not-for-eyes" not in printed
    first = next(where for where in kept(past) if job_of(where[2]) == "retried")
    assert "the first attempt fails" in call(first[0], first[1], "logs", first[2], "--attempt", "1")


def test_every_output_is_downloaded(past: Past, call: Callable[..., str], tmp_path: Path) -> None:
    for project, workspace, run in kept(past):
        to = tmp_path / project / run
        call(project, workspace, "download", run, "--to", str(to), "--logs")
        attempt = (
            past.store(project, workspace) / f"runs/{run}/attempts/{newest(past, project, workspace, run)}"
        )
        assert files(to / "outputs") == files(attempt / "outputs")
        assert files(to / "logs") == files(attempt / "logs")


def test_plans_of_previews_are_read(past: Past, call: Callable[..., str]) -> None:
    for path in past.state_folder.glob("plans/*.json"):
        project = json.loads(path.read_text())["urn"].split("::")[1]
        workspace = next(w for p, w, run in records(past) if (p, run) == (project, path.stem))
        shown = json.loads(call(project, workspace, "plan", path.stem, "--json"))
        assert shown["plan"]["run_id"] == path.stem
        assert shown == json.loads(path.read_text())


@pytest.mark.parametrize("project", ["local", "docker"])
def test_jobs_are_imported(own_past: Past, project: str) -> None:
    made = own_past.project(project)
    before = jobs(own_past, project)
    forget(own_past, project)
    wanted = [
        {"type": JOB, "name": name, "id": f"./.training/{workspace_of(r)}#{r['id']}"}
        for name, r in before.items()
        if STATUS.get(name) is None
    ]
    (made.folder / "import.json").write_text(json.dumps({"resources": wanted}))
    words = ("--yes", "--generate-code=false", "--skip-preview", "--protect=false")
    made.run("import", *words, "--file", "import.json").succeeded()
    after = own_past.state(project)
    assert len(wanted) >= 4
    for name in (resource["name"] for resource in wanted):
        assert after[name]["id"] == before[name]["id"]
        assert after[name]["outputs"]["status"] == "Completed"
        for key in ("runKey", "sourceDigest"):
            assert after[name]["inputs"][key] == before[name]["inputs"][key]


def test_a_run_is_repeated(own_past: Past) -> None:
    outputs = own_past.state("local")["widest"]["outputs"]
    done = subprocess.run(
        [sys.executable, "-m", "pulumi_training.cli.main", *outputs["reproduce"].split()[1:]],
        cwd=own_past.project("local").folder, env=dict(own_past.sandbox.environment), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=90,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert outputs["manifest"] in done.stdout
    eventually(lambda: not left(own_past), "its processes have ended", seconds=20)


def jobs(past: Past, project: str) -> dict[str, dict[str, Any]]:
    return {name: r for name, r in past.state(project).items() if r["type"] == JOB}


def forget(past: Past, project: str) -> None:
    """Takes everything but the stack and its providers out of a state."""
    path = past.sandbox.folder / "state" / ".pulumi" / "stacks" / project / "test.json"
    state = json.loads(path.read_text())
    latest = state["checkpoint"]["latest"]
    latest["resources"] = [r for r in latest["resources"] if r["type"].startswith("pulumi:")]
    path.write_text(json.dumps(state))


def workspace_of(job: dict[str, Any]) -> str:
    return str(job["inputs"]["compute"]["workspace"])


def kept(past: Past) -> list[tuple[str, str, str]]:
    """The records that were not pruned."""
    return [
        (p, w, run) for p, w, run in records(past) if (past.store(p, w) / "runs" / run / "attempts").is_dir()
    ]


def newest(past: Past, project: str, workspace: str, run: str) -> int:
    document = json.loads((past.store(project, workspace) / "runs" / run / "run.json").read_text())
    return int(document["newest_attempt"])


def job_of(run: str) -> str:
    return run.rsplit("-", 1)[0]


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def left(past: Past) -> list[psutil.Process]:
    """Processes that have to do with the sandbox."""
    place = str(past.sandbox.folder)
    return [process for process in psutil.process_iter(["environ"]) if place in str(process.info["environ"])]
