"""A target is added by what CONTRIBUTING says: the scaffold's folder passes every check, and a job trains on it.

In a copy of the checkout, where nothing is written by hand.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import ROOT, Checkout

NAME = "moon"
PACKAGE = Path("components/pulumi_training")
PROJECT = """\
name: on-the-moon
runtime:
  name: python
  options:
    toolchain: pip
    virtualenv: ../.venv
plugins:
  providers:
    - name: training
      path: ../components
"""
PROGRAM = f"""\
import pulumi
import pulumi_training as training
from pulumi_training import {NAME} as target

cluster = target.ComputeCluster("one", workspace=target.Workspace("lab"), settings={{"niceness": 3}})
fit = training.TrainingJob("fit", compute=cluster, source_directory="./src", entry_script="train.py")
pulumi.export("status", fit.status)
pulumi.export("outputs", fit.outputs_location)
"""
SCRIPT = """\
import os
os.makedirs("outputs", exist_ok=True)
with open("outputs/model.txt", "w") as model:
    model.write(f"trained at niceness {os.nice(0)}")
"""
pytestmark = [pytest.mark.slow, pytest.mark.engine, pytest.mark.timeout(900)]


@pytest.fixture
def added(checkout: Checkout) -> Checkout:
    """The copy, with the package of the copy, after the commands that the page gives."""
    checkout.environment["PYTHONPATH"] = str(checkout.folder / "components")
    checkout.environment["MOON_BACKEND"] = str(checkout.folder.parent / "moon-backend")
    if (ROOT / ".mypy_cache").is_dir():  # checked by content, so what did not change is not checked again
        shutil.copytree(ROOT / ".mypy_cache", checkout.folder / ".mypy_cache")
    checkout.run("tools/new-target", NAME)
    checkout.make("-o", ".venv/.dev", "schema", "docs")
    return checkout


def test_the_new_target_passes_every_check_and_a_job_trains_on_it(added: Checkout) -> None:
    added.make("-o", ".venv/.dev", "lint")
    resources = json.loads((added.folder / PACKAGE / "schema.json").read_text())["resources"]
    assert {f"training:{NAME}:{kind}" for kind in ("Workspace", "Datastore", "ComputeCluster")} <= set(
        resources
    )
    assert f"| `{NAME}` | " in (added.folder / "README.md").read_text()
    tests = ["test_target_is_a_folder.py", "test_descriptors.py", f"test_{NAME}_plan.py"]
    added.run(
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
        *(f"tests/unit/targets/{name}" for name in tests),
    )  # fmt: skip

    program = added.folder / "program"
    (program / "src").mkdir(parents=True)
    (program / "Pulumi.yaml").write_text(PROJECT)
    (program / "__main__.py").write_text(PROGRAM)
    (program / "src" / "train.py").write_text(SCRIPT)
    up = "pulumi stack init dev --non-interactive && pulumi up --yes --skip-preview --non-interactive"
    added.shell(f'export PULUMI_BACKEND_URL="file://{program}" PULUMI_CONFIG_PASSPHRASE= && {up}', program)
    (model,) = program.glob(".training/lab/runs/fit-*/attempts/1/outputs/model.txt")
    assert model.read_text() == "trained at niceness 3"
    again = added.shell(
        f'export PULUMI_BACKEND_URL="file://{program}" PULUMI_CONFIG_PASSPHRASE= && '
        "pulumi up --yes --skip-preview --expect-no-changes --non-interactive && "
        "pulumi destroy --yes --skip-preview --non-interactive",
        program,
    )
    assert "unchanged" in again


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["Moon"], "cannot be a target's name"),
        (["local"], "there is a target local already"),
        (["client"], "pulumi_training.client is there already"),
        (["class"], "cannot be a target's name"),
        (["moon", "--package", "docs"], "is not empty"),
    ],
)
def test_a_name_that_cannot_be_one_changes_nothing(words: list[str], said: str) -> None:
    line = [sys.executable, str(ROOT / "tools" / "new-target"), *words]
    before = subprocess.run(["git", "status", "--short"], cwd=ROOT, capture_output=True).stdout
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and said in done.stderr, done.stdout + done.stderr
    assert subprocess.run(["git", "status", "--short"], cwd=ROOT, capture_output=True).stdout == before


def test_a_package_of_its_own_brings_the_target(tmp_path: Path) -> None:
    folder = tmp_path / "training-moon"
    line = [sys.executable, str(ROOT / "tools" / "new-target"), NAME, "--package", str(folder)]
    subprocess.run(line, check=True, capture_output=True)
    assert (folder / "training_moon" / "target.py").exists()
    assert 'moon = "training_moon.descriptor:DESCRIPTOR"' in (folder / "pyproject.toml").read_text()
    left = [path for path in folder.rglob("*.*") if "tiny" in path.name or "tiny" in path.read_text().lower()]
    assert left == []
    test = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    environment = {"PYTHONPATH": f"{folder}:{ROOT / 'components'}", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(test, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
