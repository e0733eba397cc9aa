"""One job through its ordinary life: trained, unchanged, failed, mended, judged, changed."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab import Lab

pytestmark = pytest.mark.engine


def test_a_job_trains_and_an_unchanged_one_does_nothing(lab: Lab) -> None:
    lab.write("""
        import pathlib
        pathlib.Path("outputs/model.txt").write_text("a model")
        pathlib.Path("logs/own.txt").write_text("a log of its own")
        report(accuracy=0.97)
        print("seen on standard output")
    """)
    stack = lab.stack()
    up = stack.up().succeeded()
    found = {name: output.value for name, output in up.result.outputs.items()}
    assert found["status"] == "Completed"
    assert found["attempt"] == 1
    assert found["metrics"] == {"accuracy": 0.97}
    assert Path(found["outputs_location"], "model.txt").read_text() == "a model"
    assert Path(found["logs_location"], "own.txt").read_text() == "a log of its own"
    assert "seen on standard output" in Path(found["logs_location"], "std", "rank-0.log").read_text()
    state = lab.job_state(stack)
    assert state["id"] == found["run_id"]
    assert state["outputs"]["files"][0]["path"] == "model.txt"

    (lab.source / "train.py").touch()
    assert stack.preview().succeeded().steps()["fit"] == "same"
    assert stack.up().succeeded().steps()["fit"] == "same"
    assert len(lab.attempts()) == 1
