"""After a run: repeated from its record, pruned by retention, found as an orphan; and what preview foretells."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pulumi
import pytest
from lab import SECONDS, Lab, eventually, reasons, said

import pulumi_training as training
from pulumi_training import local as target

pytestmark = [pytest.mark.engine, pytest.mark.alone]


def command_line(lab: Lab, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """`pulumi-training`, with the pulumi of the sandbox on PATH."""
    environment = {**lab.sandbox.environment, **more}
    environment["PATH"] = f"{lab.sandbox.pulumi.parent}{os.pathsep}{environment['PATH']}"
    return subprocess.run(
        [sys.executable, "-m", "pulumi_training.cli.main", *words],
        cwd=lab.folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS,
    )  # fmt: skip


def test_a_run_is_repeated_from_its_record_and_gives_the_same_files(lab: Lab) -> None:
    lab.write("open('outputs/model', 'w').write('seed ' + os.environ['SEED'])\nreport(accuracy=1.0)")
    lab.settings = {"environment_variables": {"SEED": "7"}}
    stack = lab.stack()
    stack.up().succeeded()
    outputs = lab.job_state(stack)["outputs"]
    lab.write("raise SystemExit('the tree on disk has changed since')")
    record = lab.store / "runs" / outputs["runId"] / "run.json"
    document = json.loads(record.read_text())
    document["spec"]["brandNew"] = "of a newer version"
    record.write_text(json.dumps(document))
    words = outputs["reproduce"].split()
    assert words[0] == "pulumi-training"
    done = command_line(lab, *words[1:])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "brandNew: is not known to this version" in done.stdout + done.stderr
    assert outputs["manifest"] in done.stdout
    assert lab.attempts(f"{outputs['runId']}-r1")[0]["status"] == "Completed"


def test_a_repetition_that_differs_is_a_failure_that_names_the_file(lab: Lab) -> None:
    lab.write("import time\nopen('outputs/model', 'w').write(str(time.time_ns()))")
    stack = lab.stack()
    run_id = stack.up().succeeded().result.outputs["run_id"].value
    done = command_line(lab, "reproduce", run_id, "--store", str(lab.store))
    assert done.returncode == 1
    assert "model" in done.stdout


def test_a_live_run_that_no_stack_knows_is_an_orphan(lab: Lab, tmp_path: Path) -> None:
    lab.write("import time\ntime.sleep(600)")
    lab.settings = {"wait": False, "grace_period_seconds": 0}
    stack = lab.stack()
    run_id = stack.up().succeeded().result.outputs["run_id"].value
    eventually(lambda: lab.attempts()[0]["status"] == "Running", "the job runs")

    known = command_line(lab, "orphans", "--json")
    assert known.returncode == 0, known.stderr
    assert run_id not in known.stdout

    (tmp_path / "other").mkdir()
    elsewhere = {"PULUMI_BACKEND_URL": f"file://{tmp_path / 'other'}"}
    found = command_line(lab, "orphans", "--json", **elsewhere)
    assert run_id not in found.stdout, "it is the other backend's"
    assert "belongs to other backends" in found.stderr

    stack.stack.workspace.remove_stack("test", force=True)
    found = command_line(lab, "orphans", "--json")
    assert run_id in [orphan["run"] for orphan in json.loads(found.stdout)]
    assert command_line(lab, "orphans", "--remove").returncode == 1, "nobody could be asked"
    assert not lab.is_quiet()
    removed = command_line(lab, "orphans", "--remove", "--yes", "--store", str(lab.store))
    assert removed.returncode == 0, removed.stdout + removed.stderr
    eventually(lab.is_quiet, "nothing of it runs")
    assert lab.attempts()[0]["status"] == "Canceled"


def test_retention_keeps_the_last_and_the_best_and_preview_names_what_goes(lab: Lab) -> None:
    wanted = {"accuracy": "0.9", "keep_last": 5}

    def declare() -> None:
        workspace = target.Workspace("lab")
        accuracy = str(wanted["accuracy"])
        fit = lab.job("fit", lab.cluster_of(workspace), environment_variables={"ACCURACY": accuracy})
        training.RecordRetention(
            "keep",
            workspace=workspace,
            keep_last=int(wanted["keep_last"]),
            keep_best=1,
            metric="accuracy",
            opts=pulumi.ResourceOptions(depends_on=[fit]),
        )
        pulumi.export("run_id", fit.run_id)

    lab.write("report(accuracy=float(os.environ['ACCURACY']))")
    stack = lab.stack(declare)
    runs = []
    for accuracy in ("0.9", "0.5", "0.7"):
        wanted["accuracy"] = accuracy
        runs.append(stack.up().succeeded().result.outputs["run_id"].value)
    best, worst, last = runs

    wanted["keep_last"] = 1
    preview = said(stack.preview().succeeded())
    assert "will remove the records of 1 run:" in preview and worst in preview
    assert {path.parents[1].name for path in lab.store.glob("runs/*/attempts/*")} == {best, worst, last}
    stack.up().succeeded()
    assert {path.parents[1].name for path in lab.store.glob("runs/*/attempts/*")} == {best, last}
    tombstone = json.loads((lab.store / "runs" / worst / "run.json").read_text())["tombstone"]
    assert tombstone["attempt"]["status"] == "Completed"
    assert set(stack.up().succeeded().steps().values()) == {"same"}


def test_a_wait_that_custom_timeouts_end_leaves_the_run_alive(lab: Lab) -> None:
    lab.write(
        "import pathlib, time\nwhile not pathlib.Path(os.environ['GO']).exists():\n    time.sleep(0.05)"
    )
    go = lab.folder / "go"

    def declare() -> None:
        timeouts = pulumi.CustomTimeouts(create="3s", update="60s")
        lab.job(
            "fit", lab.cluster_of(target.Workspace("lab")), environment_variables={"GO": str(go)},
            opts=pulumi.ResourceOptions(custom_timeouts=timeouts),
        )  # fmt: skip

    stack = lab.stack(declare)
    given_up = stack.up()
    assert given_up.error and "the time allowed for waiting is over" in reasons(given_up)
    assert "pulumi-training cancel" in reasons(given_up)
    assert lab.attempts()[0]["status"] not in ("Failed", "Canceled")
    go.touch()
    stack.up().succeeded()
    assert [attempt["status"] for attempt in lab.attempts()] == ["Completed"], "the same attempt, to its end"


def test_preview_foretells_time_and_cost_by_the_last_run(lab: Lab) -> None:
    lab.cluster = {"price_per_node_hour": 3600.0}
    lab.write("import time\ntime.sleep(1)\nprint('one')")
    stack = lab.stack()
    assert "is not known yet" in said(stack.preview().succeeded())
    stack.up().succeeded()
    outputs = lab.job_state(stack)["outputs"]
    assert outputs["cost"] >= 1.0 and outputs["duration"] >= 1.0
    lab.write("print('two')")
    foretold = said(stack.preview().succeeded())
    assert "train.py changed" in foretold
    assert "as last time" in foretold and "cost about" in foretold
