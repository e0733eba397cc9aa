"""The built wheel in a clean environment: what a person who types `pip install` gets."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import uv

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("wheel")
    line = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(line, check=True, capture_output=True)
    yield next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    venv = tmp_path_factory.mktemp("clean") / "venv"
    binary = uv.find_uv_bin()
    subprocess.run([binary, "venv", "-q", "--python", sys.executable, str(venv)], check=True)
    python = venv / "bin" / "python"
    subprocess.run([binary, "pip", "install", "-q", "--python", str(python), str(wheel)], check=True)
    return venv / "bin"


def test_the_wheel_holds_schema_plugin_file_and_agent(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for wanted in ("schema.json", "pulumi-plugin.json", "py.typed", "agent/__main__.py", "agent/rank.py"):
        assert f"pulumi_training/{wanted}" in names
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/"))]


def test_programs_can_be_declared_with_it(installed: Path) -> None:
    words = "import pulumi_training as t; from pulumi_training import local; print(t.TrainingJob, local.Workspace)"
    done = subprocess.run(
        [installed / "python", "-I", "-c", words], check=True, capture_output=True, text=True
    )
    assert "TrainingJob" in done.stdout


def test_the_plugin_starts_from_it(installed: Path) -> None:
    line = [installed / "pulumi-resource-training", "--version"]
    version = subprocess.run(line, check=True, capture_output=True, text=True)
    assert version.stdout.strip()
    with subprocess.Popen(
        [installed / "pulumi-resource-training"], stdout=subprocess.PIPE, text=True
    ) as plugin:
        assert plugin.stdout is not None
        try:
            assert 1024 < int(plugin.stdout.readline()) < 65536
        finally:
            plugin.terminate()


def test_the_agent_can_be_shipped_from_it(installed: Path, tmp_path: Path) -> None:
    place = str(tmp_path)
    words = f"from pathlib import Path; from pulumi_training.agent.package import *; print(install(Path({place!r})))"
    told = subprocess.run(
        [installed / "python", "-I", "-c", words], check=True, capture_output=True, text=True
    )
    done = subprocess.run([sys.executable, "-I", "-S", told.stdout.strip()], capture_output=True, text=True)
    assert done.returncode == 2
    assert "usage: agent run" in done.stderr


def test_the_command_line_answers(installed: Path) -> None:
    done = subprocess.run(
        [installed / "pulumi-training", "--help"], check=True, capture_output=True, text=True
    )
    assert "runs" in done.stdout
    assert json.loads((ROOT / "components/pulumi_training/schema.json").read_text())["name"] == "training"
