"""A workspace and its data in an object store, on the real engine: nothing of a run is on this machine alone."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import fsspec
import pytest
from benchmarks.object_servers import VARIABLES
from lab import Lab, reasons
from object_stores import azure_endpoint, bucket, gcs_endpoint, s3_endpoint

from pulumi_training import local as target

__all__ = ["azure_endpoint", "bucket", "gcs_endpoint", "s3_endpoint"]
pytestmark = [pytest.mark.engine, pytest.mark.slow]

SCRIPT = """
    import os, sys
    words = open(os.path.join(sys.argv[1], "words.txt")).read()
    print("read", words)
    report(step=1, words=len(words))
    if words == "bad":
        raise ValueError("bad words")
    open("outputs/model.txt", "w").write(words.upper())
    open(os.path.join(sys.argv[2], "report.txt"), "w").write(words[::-1])
"""


@pytest.fixture
def far(lab: Lab, bucket: str) -> Lab:
    """A lab whose programs and plugins find the server as the drivers find any."""
    given = {n: v for n, v in os.environ.items() if n.startswith(VARIABLES)}
    sandbox = replace(lab.sandbox, environment={**lab.sandbox.environment, **given})
    made = Lab(sandbox, lab.folder)
    made.write(SCRIPT)
    return made


def command(far: Lab, *words: str) -> str:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("pulumi-training")), *words],
        cwd=far.folder, env=dict(far.sandbox.environment), capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_store_and_data_in_an_object_store(far: Lab, bucket: str) -> None:
    fs, name = fsspec.core.url_to_fs(bucket, use_listings_cache=False)
    fs.pipe(f"{name}/data/words.txt", b"hello")

    stack = far.stack(lambda: declare(far, bucket))
    stack.up().succeeded()
    state = far.job_state(stack)["outputs"]
    run = state["runId"]
    assert state["outputsLocation"].startswith(f"{bucket}/team/runs/{run}")
    assert fs.cat(f"{name}/team/runs/{run}/attempts/1/outputs/model.txt") == b"HELLO"
    assert b"read hello" in fs.cat(f"{name}/team/runs/{run}/attempts/1/logs/std/rank-0.log")
    assert fs.cat(f"{name}/results/report.txt") == b"olleh"
    again = stack.up().succeeded()
    assert set(again.steps().values()) == {"same"}

    place = ("--store", f"{bucket}/team")
    assert run in command(far, "runs", "list", *place)
    assert "Completed" in command(far, "runs", "show", run, *place)
    assert "read hello" in command(far, "logs", run, *place)
    command(far, "download", run, "--to", "down", *place)
    assert [p.read_text() for p in (far.folder / "down").rglob("model.txt")] == ["HELLO"]

    # Changed data trains again, and a failure is told from the store as from a folder.
    fs.pipe(f"{name}/data/words.txt", b"bad")
    failed = stack.up()
    assert failed.error is not None
    assert "ValueError: bad words" in reasons(failed)
    refreshed = stack.refresh()
    assert "ValueError: bad words" in refreshed.text + reasons(refreshed)
    stack.destroy().succeeded()
    assert fs.exists(f"{name}/team/runs/{run}/attempts/1/outputs/model.txt"), "the record stays"


def declare(far: Lab, bucket: str) -> None:
    lab = target.Workspace("lab", store=f"{bucket}/team")
    data = target.Datastore("data", workspace=lab, source=f"{bucket}/data")
    results = target.Datastore("results", workspace=lab, source=f"{bucket}/results")
    far.job(
        "fit",
        far.cluster_of(lab),
        arguments=[data.as_download().argument, results.as_upload().argument],
        inputs=[data.as_download()],
        outputs=[results.as_upload()],
    )
