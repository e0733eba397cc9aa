"""The installed plugin is run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pulumi_training.cli.plugin_folder import NAME, install
from pulumi_training.version import __version__


@pytest.fixture(autouse=True)
def bare_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")


def test_the_installed_plugin_runs_this_interpreter(tmp_path: Path) -> None:
    done = install()
    assert done.changed
    assert done.folder == tmp_path / "pulumi/plugins" / f"resource-training-v{__version__}"
    program = done.folder / NAME
    assert os.access(program, os.X_OK)
    (tmp_path / "pulumi_training").mkdir()  # a program's folder must not get in between
    answer = subprocess.run([str(program), "--version"], capture_output=True, text=True, cwd=tmp_path)
    assert (answer.returncode, answer.stdout.strip()) == (0, __version__)
    assert sys.executable in program.read_text()
    assert not list(done.folder.parent.glob(".training-*"))
