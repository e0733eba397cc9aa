"""What a person reads when training failed, and what the next `pulumi up` does about it."""

from __future__ import annotations

import re
from pathlib import Path

import pulumi
import pytest
from lab import Lab, reasons, said

from pulumi_training import local as target

pytestmark = pytest.mark.engine


@pytest.mark.mpi
def test_a_failing_rank_is_named_and_the_mended_script_replaces_the_job(lab: Lab) -> None:
    lab.write("""
        import sys
        rank = int(os.environ["RANK"])
        print("about to end as rank", rank)
        if rank == 3:
            print("the disk of this rank is gone")
            sys.exit(7)
        import time
        time.sleep(60)
    """)
    lab.cluster = {"max_nodes": 2, "slots_per_node": 2}
    lab.settings = {"node_count": 2, "process_count_per_node": 2, "distributed_backend": "mpi"}
    stack = lab.stack()
    failed = stack.up()
    words = reasons(failed)
    assert "rank 3 on node 1 exited with code 7" in words
    assert "the disk of this rank is gone" in words
    log = re.search(r"log: (\S+rank-3\.log)", words)
    assert log, words
    assert "the disk of this rank is gone" in Path(log[1]).read_text()
    assert "Traceback" not in failed.text
    state = lab.job_state(stack)
    assert state["outputs"]["status"] == "Failed"
    assert state["outputs"]["failure"]["rank"] == 3
    assert state["initErrors"]

    assert "will start attempt 2 of run" in said(stack.preview())
    assert "rank 3 on node 1" in reasons(stack.up())
    assert [a["attempt"] for a in lab.attempts()] == [1, 2]

    lab.write("print('mended')")
    preview = stack.preview().succeeded()
    assert preview.steps()["fit"] == "create-replacement" or "replace" in preview.steps()["fit"]
    assert "train.py changed" in said(preview)
    up = stack.up().succeeded()
    assert up.result.outputs["status"].value == "Completed"
    assert up.result.outputs["attempt"].value == 1


def test_a_failed_script_that_reruns_on_change_only_stays_failed(lab: Lab) -> None:
    lab.write("raise ValueError('never works')")
    lab.settings = {"rerun_failed": "on_change"}
    stack = lab.stack()
    assert "ValueError: never works" in reasons(stack.up())
    assert "is not run again: rerunFailed is 'on_change'" in said(stack.preview())
    again = stack.up()
    assert "ValueError: never works" in reasons(again)
    assert [a["attempt"] for a in lab.attempts()] == [1]


def test_an_unmet_expectation_stops_dependents_and_is_judged_again_without_training(lab: Lab) -> None:
    lab.write("report(accuracy=0.5, loss=float('nan'))")
    bounds = {"accuracy": ">=0.9"}

    def program() -> None:
        cluster = lab.cluster_of(target.Workspace("lab"))
        fit = lab.job("fit", cluster, expect=bounds)
        lab.job("after", cluster, opts=pulumi.ResourceOptions(depends_on=[fit]))
        pulumi.export("status", fit.status)

    stack = lab.stack(program)
    failed = stack.up()
    assert "accuracy is 0.5; expected >= 0.9" in reasons(failed)
    assert not lab.attempts("after-*")
    assert lab.job_state(stack)["outputs"]["reason"] == "ExpectationFailed"

    bounds["loss"] = "<1"
    bounds["recall"] = ">0.1"
    words = reasons(stack.up())
    assert "loss is not a number (NaN); expected < 1" in words
    assert "recall was never reported; expected > 0.1" in words

    bounds.clear()
    bounds["accuracy"] = ">=0.4"
    assert "will judge the record of attempt 1" in said(stack.preview())
    stack.up().succeeded()
    assert [a["attempt"] for a in lab.attempts("fit-*")] == [1]
    assert [a["attempt"] for a in lab.attempts("after-*")] == [1]
    assert lab.job_state(stack)["outputs"]["status"] == "Completed"

    bounds["accuracy"] = ">=0.6"
    assert "accuracy is 0.5; expected >= 0.6" in reasons(stack.up())
    assert len(lab.attempts("fit-*")) == 1


def test_every_problem_of_a_bad_job_is_told_at_once_and_nothing_starts(lab: Lab) -> None:
    lab.write("print('must not run')")
    lab.settings = {
        "entry_script": "trian.py",
        "node_count": 0,
        "process_count_per_node": 9,
        "distributed_backend": "smoke signals",
        "expect": {"accuracy": "good"},
        "pip_packages": ["numpy >> 1"],
    }
    stack = lab.stack()
    for operation in (stack.preview(), stack.up()):
        words = said(operation)
        for path in ("entryScript", "nodeCount", "distributedBackend", "expect", "environment.pipPackages"):
            assert path in words, f"{path} is not named in\n{words}"
        assert "train.py" in words  # a near name
        assert "unexpected unknown" not in words
    assert not lab.attempts()
    assert not [r for r in stack.resources() if "TrainingJob" in r["urn"]]
