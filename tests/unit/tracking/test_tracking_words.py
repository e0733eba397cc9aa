from __future__ import annotations

from dataclasses import replace

from pulumi_training.record.documents import AttemptDocument, RunDocument
from pulumi_training.record.notes import Notes
from pulumi_training.spec.outcome import Outcome, Reason, Status
from pulumi_training.tracking import words

RUN = RunDocument(
    run_id="fit-0123456789",
    name="fit",
    owner={"urn": "urn:fit", "stack": "dev", "project": "digits"},
    workspace="lab",
    run_key="v1:abc",
    source_digest="sha256:def",
    spec={
        "entryScript": "train.py",
        "arguments": ["data.csv", "--epochs", "5", "--rate=0.1", "--fast", "--size", "3", "--size", "4", "--shift", "-1"],
        "nodeCount": 2,
        "processCountPerNode": 3,
        "distributedBackend": "mpi",
        "compute": {"target": "local", "cluster": "cpu"},
        "tags": {"team": "vision", "training.run_id": "mine", "a=b": "c"},
    },
)  # fmt: skip
ATTEMPT = AttemptDocument(
    run_id=RUN.run_id,
    attempt=2,
    status=Status.FAILED,
    outcome=Outcome(Reason.SCRIPT_FAILED, "rank 0 failed"),
    created_at=12.5,
    environment={"packages": ["numpy==2.0"]},
    notes=Notes.of(git={"commit": "c0ffee", "branch": "main"}),
)


def test_arguments_are_parameters_by_their_names() -> None:
    found = words.parameters(RUN, ATTEMPT)
    arguments = {name[5:]: value for name, value in found.items() if name.startswith("args.")}
    assert arguments == {
        "0": "data.csv", "epochs": "5", "rate": "0.1", "fast": "true", "size": "3 4", "shift": "-1"
    }  # fmt: skip


def test_topology_packages_and_source_are_parameters() -> None:
    found = words.parameters(RUN, ATTEMPT)
    assert found["training.node_count"] == "2"
    assert found["training.process_count_per_node"] == "3"
    assert found["training.distributed_backend"] == "mpi"
    assert found["training.packages"] == "numpy==2.0"
    assert found["training.source_digest"] == "sha256:def"
    assert found["training.git_commit"] == "c0ffee"


def test_tags_of_the_user_stand_beside_ours_and_ours_win() -> None:
    found = words.tags(RUN, ATTEMPT, "/records/fit", RUN.spec["tags"])
    assert found["team"] == "vision"
    assert found["a_b"] == "c"
    assert found["training.run_id"] == RUN.run_id
    assert found["training.attempt"] == "2"
    assert found["training.urn"] == "urn:fit"
    assert found["training.reason"] == "ScriptFailed"
    assert found["mlflow.runName"] == "fit-0123456789 (attempt 2)"


def test_an_attempt_is_known_by_its_intent() -> None:
    again = ATTEMPT.changed(progress="later")
    assert words.attempt_key(RUN, ATTEMPT) == words.attempt_key(RUN, again) == "fit-0123456789-a2-12500"


def test_the_experiment_is_the_jobs_else_the_stacks() -> None:
    assert words.experiment_of(replace(RUN, spec={**RUN.spec, "experimentName": "mine"})) == "mine"
    assert words.experiment_of(RUN) == "digits/dev"
    assert words.experiment_of(replace(RUN, owner={"urn": "urn:fit"})) == "lab"


def test_an_outcome_in_mlflows_words() -> None:
    assert words.ended_as(Status.COMPLETED) == "FINISHED"
    assert words.ended_as(Status.CANCELED) == "KILLED"
    assert words.ended_as(Status.FAILED) == "FAILED"


def test_a_long_value_is_cut_to_what_mlflow_takes() -> None:
    assert len(words.text("x" * 9000)) == 5000
    assert words.name_of("loss(%)") == "loss___"
    assert words.names_by_step({"step": 1, "total": 2, "loss": 0.5}) == {"loss": 0.5}
