"""An output that links to a file outside: said in the row, the record and `runs show`; a refusal of nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lab import Lab, said
from typer.testing import CliRunner

from pulumi_training.cli.main import build

pytestmark = pytest.mark.engine

TOKEN = "of-this-machine-only-4711"


def call(lab: Lab, *words: str) -> str:
    done = CliRunner().invoke(build(), [*words, "--store", str(lab.store)])
    assert done.exit_code == 0, done.output
    return done.output


def test_what_was_not_kept_is_said_everywhere(lab: Lab, tmp_path: Path) -> None:
    big = tmp_path / "big" / "model.bin"
    big.parent.mkdir()
    big.write_text(TOKEN)
    lab.write(f"""
        import os
        os.makedirs("scratch")
        open("scratch/m", "w").write("worked")
        os.symlink("../scratch/m", "outputs/m")
        os.symlink({str(big)!r}, "outputs/model.bin")
        os.mkfifo("outputs/pipe")
        print("trained")
    """)
    stack = lab.stack()
    up = stack.up().succeeded()
    found = {name: output.value for name, output in up.result.outputs.items()}

    assert found["status"] == "Completed"
    assert Path(found["outputs_location"], "m").read_text() == "worked"
    for words in (said(up), call(lab, "runs", "show", found["run_id"])):
        assert f"model.bin was not kept: it is a link to {big}" in words
        assert "pipe was not kept: it is a named pipe" in words
    state = lab.job_state(stack)["outputs"]
    assert [entry["path"] for entry in state["files"]] == ["m"]
    assert any("model.bin" in warning for warning in state["warnings"])
    seen = json.loads(call(lab, "runs", "show", found["run_id"], "--json"))
    assert set(seen["skipped"]) == {"model.bin", "pipe"}
    assert any(event["kind"] == "warning" and "model.bin" in event["message"] for event in seen["events"])

    to = tmp_path / "to"
    assert "1 file" in call(lab, "download", found["run_id"], "--to", str(to))
    assert [path.name for path in to.rglob("*") if path.is_file()] == ["m"]
    assert stack.preview().succeeded().steps()["fit"] == "same"


def test_an_output_that_was_nothing_but_a_link_is_said(lab: Lab) -> None:
    lab.write("""
        import os
        os.symlink("/proc/self/environ", "outputs/environ")
    """)
    up = lab.stack().up().succeeded()
    run = up.result.outputs["run_id"].value

    assert "environ was not kept" in said(up)
    assert "environ was not kept" in call(lab, "runs", "show", run)
