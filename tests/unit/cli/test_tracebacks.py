"""What nobody foresaw is one line on stderr, and a file has its traceback."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pulumi_training.provider import logfile


@pytest.fixture
def no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own folder for logs cannot be made; what is left is the shared one for temporary files."""
    (tmp_path / "home").write_text("a file")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home" / "state"))
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o777)
    monkeypatch.setattr("tempfile.tempdir", str(shared))
    logfile._temporary_folder.cache_clear()
    return shared


def test_a_planted_link_in_the_temporary_folder_is_not_followed(no_home: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (no_home / f"pulumi-training-{os.getuid()}").symlink_to(victim)
    file = logfile.append("words")
    assert file is not None and "words" in file.read_text()
    assert list(victim.iterdir()) == []
    assert file.parent.stat().st_mode & 0o077 == 0


def test_a_planted_folder_that_others_may_write_is_not_used(no_home: Path) -> None:
    planted = no_home / f"pulumi-training-{os.getuid()}"
    planted.mkdir()
    planted.chmod(0o777)
    file = logfile.append("words")
    assert file is not None and file.parent != planted and list(planted.iterdir()) == []


def test_a_planted_link_in_place_of_the_file_is_not_followed(no_home: Path, tmp_path: Path) -> None:
    first = logfile.append("words")
    assert first is not None
    victim = tmp_path / "victim"
    victim.write_text("mine")
    first.unlink()
    first.symlink_to(victim)
    logfile.append("more words")
    assert victim.read_text() == "mine"
