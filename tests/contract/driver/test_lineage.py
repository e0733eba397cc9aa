"""The commit that a run's source came from, as git itself says it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pulumi_training.driver import lineage
from pulumi_training.driver.lineage import git_state


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=ada", "-c", "user.email=ada@example.com")
    done = subprocess.run(
        ["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder inside a repository with one commit."""
    folder = tmp_path / "repository" / "src"
    folder.mkdir(parents=True)
    (folder / "train.py").write_text("print()\n")
    git(folder.parent, "init", "-q", "-b", "trunk")
    git(folder.parent, "add", ".")
    git(folder.parent, "commit", "-q", "-m", "one")
    return folder


def test_a_folder_of_a_repository_has_its_commit_and_branch(source: Path) -> None:
    assert git_state(source) == {
        "commit": git(source, "rev-parse", "HEAD"),
        "branch": "trunk",
        "dirty": False,
    }
    (source / "train.py").write_text("print(1)\n")
    found = git_state(source)
    assert found and found["dirty"]


def test_a_link_into_a_repository_is_followed_as_git_does(source: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(source)
    assert git_state(tmp_path / "link") == git_state(source)


def test_a_repository_that_the_environment_names_counts(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(source.parent / ".git"))
    found = git_state(tmp_path)
    assert found and found["branch"] == "trunk"


def test_without_a_repository_nothing_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GIT_DIR", raising=False)
    asked: list[Path] = []
    monkeypatch.setattr(lineage, "_git", lambda folder, *arguments: asked.append(folder))
    assert git_state(tmp_path) is None
    assert asked == []
