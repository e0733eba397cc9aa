"""The package is replaced, or taken away, while runs live: what started from it ends as it would have."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import daemon
import pytest
from lab import Lab, eventually
from sandbox import COMPONENTS, Project

pytestmark = pytest.mark.engine

PROGRAM = """
    import pulumi_training as training
    from pulumi_training import {target} as target

    lab = target.Workspace("lab")
    cpu = target.ComputeCluster("cpu", workspace=lab, slots_per_node=4)
    store = target.Datastore("store", workspace=lab, source="./delivered")

    def job(name, **more):
        training.TrainingJob(name, compute=cpu, source_directory="./src", entry_script="train.py",
                             arguments=[name], grace_period_seconds=0, **{more!r}, **more)

    job("good", expect={{"accuracy": ">=0.9"}}, outputs=[store.path("best").as_upload()])
    job("unmet", expect={{"accuracy": ">=0.99"}})
    job("bad")
    job("again", retries={{"maxAttempts": 2, "on": ["script_failed"], "backoffSeconds": 0}})
"""
SCRIPT = """
    import pathlib, sys, time
    name, attempt = sys.argv[1], os.environ["TRAINING_ATTEMPT"]
    pathlib.Path("outputs/started").write_text(attempt)
    print("started", flush=True)
    end = time.monotonic() + {seconds}
    while time.monotonic() < end and not pathlib.Path(os.environ.get("GO", "/nowhere")).exists():
        time.sleep(0.05)
    if name == "bad" or (name == "again" and attempt == "1"):
        sys.exit(3)
    report(accuracy=0.95)
    pathlib.Path("outputs/model.txt").write_text("weights")
    delivered = os.environ.get("TRAINING_DATA_STORE_BEST")
    if delivered:
        os.makedirs(delivered, exist_ok=True)
        pathlib.Path(delivered, "best.txt").write_text("best")
"""
JOBS = ("good", "unmet", "bad", "again")
BROKEN = "raise ImportError('half of an upgrade')\n"


class Installed:
    """A package that plugins are started from, and that a test replaces under them."""

    def __init__(self, folder: Path) -> None:
        self.components = folder / "installed" / "components"
        shutil.copytree(COMPONENTS, self.components, ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "installed" / ".venv").symlink_to(sys.prefix)
        self._package = self.components / "pulumi_training"

    def take_away(self) -> None:
        """In its place is one that cannot be imported, not even in part."""
        self._package.rename(self._package.with_name("gone"))
        for path in self._package.with_name("gone").rglob("*.py"):
            broken = self._package / path.relative_to(self._package.with_name("gone"))
            broken.parent.mkdir(parents=True, exist_ok=True)
            broken.write_text(BROKEN)

    def bring_back(self) -> None:
        shutil.rmtree(self._package)
        self._package.with_name("gone").rename(self._package)


def project_of(lab: Lab, installed: Installed, target: str, seconds: float, **more: Any) -> Project:
    text = PROGRAM.format(target=target, more=more)
    project = lab.sandbox.project(text, name="lab", plugins={"training": installed.components})
    lab.folder = project.folder
    lab.write(SCRIPT.format(seconds=seconds))
    return project


def ended(lab: Lab) -> dict[str, list[dict[str, Any]]]:
    """Every job's attempts once all have ended; no `up` helps."""

    def look() -> dict[str, list[dict[str, Any]]] | None:
        found = {job: lab.attempts(f"{job}-*") for job in JOBS}
        is_over = all(
            documents and documents[-1].get("outcome") and not documents[-1]["notes"].get("will_retry")
            for documents in found.values()
        )
        return found if is_over else None

    answer: dict[str, list[dict[str, Any]]] = eventually(look, "every run has its outcome")
    return answer


def check(lab: Lab, found: dict[str, list[dict[str, Any]]]) -> None:
    reasons = {job: [document["outcome"]["reason"] for document in found[job]] for job in JOBS}
    assert reasons == {
        "good": ["Completed"],
        "unmet": ["ExpectationFailed"],
        "bad": ["ScriptFailed"],
        "again": ["ScriptFailed", "Completed"],
    }
    assert "code 3" in found["bad"][0]["outcome"]["message"]
    assert found["good"][0]["metrics"] == {"accuracy": 0.95}
    for job, number in (("good", 1), ("again", 2)):
        (attempt,) = lab.store.glob(f"runs/{job}-*/attempts/{number}")
        manifest = json.loads((attempt / "manifest.json").read_text())
        assert "model.txt" in str(manifest) and (attempt / "outputs" / "model.txt").read_text() == "weights"
    assert (lab.folder / "delivered" / "best" / "best.txt").read_text() == "best"


def train(lab: Lab, tmp_path: Path, target: str, **more: Any) -> None:
    installed = Installed(tmp_path)
    go = tmp_path / "go"
    variables = {"environment_variables": {"GO": str(go)}} if target == "local" else {}
    project = project_of(lab, installed, target, 600 if target == "local" else 4, **variables, **more)
    up = lab.sandbox.start("up", "--yes", "--skip-preview", cwd=project.folder)
    try:
        eventually(
            lambda: all(list(lab.store.glob(f"runs/{job}-*/attempts/1/logs/std/rank-0.log")) for job in JOBS),
            "every script has started",
        )
        installed.take_away()
        go.touch()
        check(lab, ended(lab))
    finally:
        up.communicate(timeout=120)
    installed.bring_back()
    again = project.up("--exclude=**bad", "--exclude=**unmet").succeeded()
    assert "Traceback" not in again.text
    assert {job: len(lab.attempts(f"{job}-*")) for job in JOBS} == {
        "good": 1,
        "unmet": 1,
        "bad": 1,
        "again": 2,
    }
    project.destroy().succeeded()


@pytest.mark.timeout(280)
def test_local_runs_need_nothing_of_the_package_once_their_ranks_started(lab: Lab, tmp_path: Path) -> None:
    train(lab, tmp_path, "local")


@pytest.mark.docker
@pytest.mark.timeout(280)
def test_containers_need_nothing_of_the_package_once_their_ranks_started(lab: Lab, tmp_path: Path) -> None:
    bundle = os.environ.get("SSL_CERT_FILE")
    environment = {"image": daemon.base_image(), **({"caBundle": bundle} if bundle else {})}
    train(lab, tmp_path, "docker", environment=environment)
