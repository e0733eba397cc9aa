"""A package of somebody else brings a target: by its entry point alone it runs, is described, and is missed when it is gone."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pulumi
import pytest
import uv
from lab import Lab, said

import pulumi_training as training

pytestmark = [pytest.mark.engine, pytest.mark.alone]
TINY = Path(__file__).resolve().parents[1] / "packages" / "tiny"
BIN = Path(sys.prefix) / "bin"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the package is installed into, as pip does it."""
    folder = tmp_path_factory.mktemp("packages")
    line = [
        uv.find_uv_bin(),
        "pip",
        "install",
        "-q",
        "--python",
        sys.executable,
        "--no-deps",
        "--no-build-isolation",
    ]
    subprocess.run([*line, "--target", str(folder), str(TINY)], check=True, capture_output=True)
    assert list(folder.glob("training_tiny-*.dist-info/entry_points.txt"))
    return folder


@pytest.fixture
def tiny(lab: Lab, package: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """A lab whose plugin finds the package, and a test that can import its components."""
    monkeypatch.syspath_prepend(str(package))
    backend = lab.sandbox.folder / "tiny-backend"
    more = {"PYTHONPATH": str(package), "TINY_BACKEND": str(backend)}
    with_package = replace(lab.sandbox, environment={**lab.sandbox.environment, **more})
    yield replace(lab, sandbox=with_package)
    for name in [name for name in sys.modules if name.partition(".")[0] == "training_tiny"]:
        del sys.modules[name]


def declare(lab: Lab) -> None:
    target: Any = importlib.import_module("training_tiny.components")
    cluster = target.ComputeCluster("one", workspace=target.Workspace("lab"))
    fit = training.TrainingJob(
        "fit", compute=cluster, source_directory="./src", entry_script="train.py", **lab.settings
    )
    for output in ("run_id", "status", "outputs_location", "logs_location"):
        pulumi.export(output, getattr(fit, output))


def command(lab: Lab, *words: str) -> subprocess.CompletedProcess[str]:
    """The command line, with or without the package as the lab has it."""
    return subprocess.run(
        [str(BIN / "pulumi-training"), *words], cwd=lab.folder, env=dict(lab.sandbox.environment),
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def without_package(lab: Lab) -> Lab:
    kept = {name: value for name, value in lab.sandbox.environment.items() if name != "PYTHONPATH"}
    return replace(lab, sandbox=replace(lab.sandbox, environment=kept))


def test_a_job_trains_on_it_and_its_record_outlives_the_package(tiny: Lab) -> None:
    tiny.write("""
        import pathlib
        pathlib.Path("outputs").mkdir(exist_ok=True)
        pathlib.Path("outputs/model.txt").write_text("a tiny model")
        print("tiny training", flush=True)
    """)
    stack = tiny.stack(lambda: declare(tiny))
    up = stack.up().succeeded()
    found = {name: output.value for name, output in up.result.outputs.items()}
    assert found["status"] == "Completed"
    assert "tiny training" in Path(found["logs_location"], "std", "rank-0.log").read_text()
    (attempt,) = tiny.attempts()
    assert (attempt["target"], attempt["target_package"]) == ("tiny", "training-tiny")
    assert stack.preview().succeeded().steps()["fit"] == "same"

    bare = without_package(tiny)
    run_id, store = found["run_id"], str(tiny.store)
    listed = command(bare, "runs", "list", "--store", store, "--json")
    assert run_id in listed.stdout, listed.stderr
    shown = command(bare, "runs", "show", run_id, "--store", store)
    assert shown.returncode == 0 and "tiny" in shown.stdout, shown.stderr
    to = tiny.folder / "came"
    came = command(bare, "download", run_id, "--store", store, "--to", str(to))
    assert came.returncode == 0, came.stderr
    assert [file.read_text() for file in to.rglob("model.txt")] == ["a tiny model"]

    refused = bare.stack(lambda: declare(tiny)).destroy()
    assert refused.error is not None
    assert "training-tiny" in said(refused) and "not installed" in said(refused)
    stack = tiny.stack(lambda: declare(tiny))
    assert stack.destroy().error is None
    assert not list((tiny.sandbox.folder / "tiny-backend").glob("*"))


def test_a_live_run_whose_package_is_gone_is_shown_and_not_canceled(tiny: Lab) -> None:
    tiny.write("import time\nprint('ready', flush=True)\ntime.sleep(100)\n")
    tiny.settings["wait"] = False
    stack = tiny.stack(lambda: declare(tiny))
    up = stack.up().succeeded()
    run_id, store = up.result.outputs["run_id"].value, str(tiny.store)
    try:
        bare = without_package(tiny)
        refreshed = bare.stack(lambda: declare(tiny)).refresh()
        assert refreshed.error is None, said(refreshed)
        refused = command(bare, "cancel", run_id, "--store", store)
        assert refused.returncode != 0
        assert "training-tiny" in refused.stderr + refused.stdout
        assert tiny.attempts()[-1]["outcome"] is None
    finally:
        canceled = command(tiny, "cancel", run_id, "--store", store)
    assert canceled.returncode == 0, canceled.stderr
    assert tiny.attempts()[-1]["status"] == "Canceled"
    assert stack.destroy().error is None


def test_the_schema_and_the_doctor_have_it_where_it_is_installed(tiny: Lab) -> None:
    """The schema as the engine gets it, of the plugin's own process."""
    answers = {}
    for lab in (tiny, without_package(tiny)):
        done = lab.sandbox.run("package", "get-schema", str(BIN / "pulumi-resource-training"), cwd=lab.folder)
        answers[lab is tiny] = json.loads(done.succeeded().stdout)
    added = set(answers[True]["resources"]) - set(answers[False]["resources"])
    assert added == {f"training:tiny:{kind}" for kind in ("Workspace", "Datastore", "ComputeCluster")}
    for resource in added:
        del answers[True]["resources"][resource]
    types = answers[True]["types"]
    assert set(types) - set(answers[False]["types"]) == {"training:index:TinySettings"}
    del types["training:index:TinySettings"]
    holders = [token for token, kind in types.items() if kind.get("properties", {}).pop("tiny", None)]
    assert holders == ["training:index:ComputeRef", "training:index:WorkspaceRef"]
    assert answers[True] == answers[False]

    checks = json.loads(command(tiny, "doctor", "--json").stdout)
    said_of_it = {check["name"]: check["message"] for check in checks if "iny" in check["name"]}
    assert said_of_it == {"Target tiny": "comes with training-tiny 1.2.3", "Tiny": "a folder is enough"}
    assert "Target tiny" not in command(without_package(tiny), "doctor", "--json").stdout


def test_what_is_left_of_it_is_found_and_removed(tiny: Lab) -> None:
    tiny.write("print('once')")
    stack = tiny.stack(lambda: declare(tiny))
    stack.up().succeeded()
    backend = tiny.sandbox.folder / "tiny-backend"
    assert len(list(backend.glob("*"))) == 1
    for resource in stack.resources():
        if resource["urn"].endswith("TrainingJob::fit"):
            state_only = tiny.sandbox.run(
                "state",
                "delete",
                resource["urn"],
                "--stack",
                "test",
                "--yes",
                cwd=Path(stack.stack.workspace.work_dir),
            )
            state_only.succeeded()
    found = command(tiny, "orphans", "--json")
    assert "fit-" in found.stdout, found.stdout + found.stderr
    assert "fit-" not in command(without_package(tiny), "orphans", "--json").stdout
    assert os.path.exists(backend)
    stack.destroy().succeeded()
