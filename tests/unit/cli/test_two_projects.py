"""Two projects on one machine, and what each command takes a job's name for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from projects import Project, project
from typer.testing import CliRunner, Result

from pulumi_training.cli.exit import ExitCode
from pulumi_training.cli.main import build

MINE, THEIRS = "fit-0000000001", "fit-0000000002"


def call(*words: str) -> Result:
    return CliRunner().invoke(build(), list(words))


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    for name in ("PULUMI_STACK", "PULUMI_BACKEND_URL", "PULUMI_ACCESS_TOKEN", "PWD"):
        monkeypatch.delenv(name, raising=False)
    found = project(tmp_path, "mine")
    monkeypatch.chdir(found.folder)
    return found


@pytest.fixture
def theirs(mine: Project, tmp_path: Path) -> Project:
    return project(tmp_path, "theirs")


def test_a_name_shows_this_projects_run(mine: Project, theirs: Project) -> None:
    mine.shelf().finished(MINE, created_at=1.0)
    theirs.shelf().finished(THEIRS, created_at=2.0)
    for words in (("runs", "show"), ("logs",), ("download",)):
        result = call(*words, "fit")
        assert THEIRS not in result.output
        assert MINE in result.output


def test_a_run_elsewhere_is_shown_with_a_word_on_stderr(mine: Project, theirs: Project) -> None:
    theirs.shelf().finished(THEIRS)
    result = call("runs", "show", "fit", "--json")
    assert json.loads(result.stdout)["run"]["run_id"] == THEIRS
    assert "project mine" in result.stderr and "project theirs" in result.stderr
    assert call("runs", "show", THEIRS).stderr == ""


def test_cancel_by_a_name_stops_no_run_elsewhere(mine: Project, theirs: Project) -> None:
    attempt = theirs.shelf().live(THEIRS)
    before = (attempt.document(), list(attempt.events()))
    result = call("cancel", "fit", "--yes")
    assert result.exit_code == ExitCode.FAILURE
    assert THEIRS in result.stderr and result.stdout == ""
    assert (attempt.document(), list(attempt.events())) == before


def test_the_list_counts_what_is_elsewhere(mine: Project, theirs: Project) -> None:
    mine.shelf().finished(MINE)
    theirs.shelf().finished(THEIRS)
    result = call("runs", "list", "--json")
    assert [line["run_id"] for line in json.loads(result.stdout)] == [MINE]
    assert "1 run " in result.stderr and "--all" in result.stderr
    every = call("runs", "list", "--all")
    assert MINE in every.stdout and THEIRS in every.stdout and every.stderr == ""
    named = call("runs", "list", "--store", theirs.shelf().store.url)
    assert THEIRS in named.stdout and MINE not in named.stdout


def test_a_project_without_runs_says_so_and_what_is_elsewhere(mine: Project, theirs: Project) -> None:
    theirs.shelf().finished(THEIRS)
    theirs.shelf().finished("fit-0000000003")
    result = call("runs", "list")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "project mine" in result.stderr and "2 runs " in result.stderr
