from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pulumi_training.cli import plugin_folder
from pulumi_training.cli.main import build
from pulumi_training.cli.plugin_folder import NAME, folder_of, in_folder, install, uninstall
from pulumi_training.spec.errors import TrainingError
from pulumi_training.version import __version__


def call(*words: str) -> Result:
    return CliRunner().invoke(build(), list(words))


@pytest.fixture(autouse=True)
def bare_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")


def test_installing_twice_changes_nothing() -> None:
    install()
    before = (folder_of() / NAME).stat().st_ino
    assert not install().changed
    assert (folder_of() / NAME).stat().st_ino == before
    result = call("plugin", "install")
    assert (result.exit_code, "was there already" in result.stdout) == (0, True)


def test_another_interpreter_takes_over(tmp_path: Path) -> None:
    install(tmp_path / "other" / "python")
    assert install().changed
    assert sys.executable in (folder_of() / NAME).read_text()


def test_a_half_made_installation_is_completed() -> None:
    folder_of().mkdir(parents=True)
    folder_of().with_name(folder_of().name + ".partial").touch()
    assert in_folder() == []
    assert install().changed
    assert [place.version for place in in_folder()] == [__version__]


def test_a_plugin_of_another_hand_is_left_alone() -> None:
    folder_of().mkdir(parents=True)
    (folder_of() / NAME).write_text("#!/bin/sh\n")
    with pytest.raises(TrainingError, match="remove it first"):
        install()
    assert uninstall() == []
    assert (folder_of() / NAME).exists()


def test_uninstall_takes_every_version_of_ours() -> None:
    install()
    folder_of().rename(folder_of("0.0.9"))
    install()
    assert [place.version for place in in_folder()] == [__version__, "0.0.9"]
    assert call("plugin", "uninstall").stdout.count("removed") == 2
    assert in_folder() == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "pulumi").write_text("a file")
    result = call("plugin", "install")
    assert (result.exit_code, "PULUMI_HOME" in result.stderr) == (1, True)


def test_where_answers_in_the_engines_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert call("plugin", "where").exit_code == 1
    install()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / NAME).write_text("#!/bin/sh\n")
    (tmp_path / "bin" / NAME).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    (tmp_path / "components").mkdir()
    (tmp_path / "Pulumi.yaml").write_text(
        "plugins: {providers: [{name: training, path: ./components}]}\npackages: {training: ./gone}\n"
    )
    (tmp_path / "deeper").mkdir()
    monkeypatch.chdir(tmp_path / "deeper")
    places = json.loads(call("plugin", "where", "--json").stdout)
    assert [place["kind"] for place in places] == ["path", "PATH", "folder"]
    assert [place["is_used"] for place in places] == [True, False, False]
    monkeypatch.setenv("PULUMI_IGNORE_AMBIENT_PLUGINS", "true")
    assert [place.kind for place in plugin_folder.find()] == ["path", "folder"]


def test_a_damaged_project_file_is_no_project(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("plugins: [")
    assert plugin_folder.in_project(tmp_path) == []
