"""Names at the daemon: as before for attempts of before, and apart for stores whose runs have one id."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from pulumi_training.driver.request import recorded
from pulumi_training.spec.job import JobSpec
from pulumi_training.targets.containers import names
from pulumi_training.targets.contract.handle import Handle
from pulumi_training.targets.contract.plan import UNKNOWN_PART, Plan
from pulumi_training.targets.contract.run import RunSpec
from pulumi_training.targets.docker.filters import filters
from pulumi_training.targets.docker.plan import plan

ONE, OTHER = "1" * 32, "2" * 32
RUN_ID = "fit-0123456789"


def run_of(folder: Path, store: str, backend: str = "") -> RunSpec:
    compute = {"target": "docker", "workspace": "lab", "store": "s", "maxNodes": 2, "slotsPerNode": 1}
    spec = JobSpec.model_validate({"entryScript": "train.py", "compute": compute})
    return RunSpec(RUN_ID, 3, recorded(spec), folder, folder, owner="urn:me", store=store, backend=backend)


def test_attempts_of_before_keep_their_names() -> None:
    assert names.object_name(RUN_ID, 3) == "fit-0123456789-a3"
    assert names.object_name(RUN_ID, 3, 1) == "fit-0123456789-a3-1"


def test_names_are_of_the_job_and_of_run_and_store_together() -> None:
    digits = hashlib.sha256((RUN_ID + ONE).encode()).hexdigest()[:10]
    assert names.object_name(RUN_ID, 3, store=ONE) == f"fit-{digits}-a3"
    assert names.object_name(RUN_ID, 3, 1, store=ONE) == f"fit-{digits}-a3-1"
    assert names.object_name(RUN_ID, 3, store=OTHER) != names.object_name(RUN_ID, 3, store=ONE)


@pytest.mark.parametrize(
    ("run_id", "job"),
    [
        ("a-b-0123456789", "a-b"),
        ("fit-0123456789-r2", "fit"),
        ("imported", "imported"),
        ("x" * 100, "x" * 33),
        ("run-0123456789abcdef", "run-0123456789abcdef"),
    ],
)
def test_any_run_id_makes_a_name_that_a_daemon_and_a_dns_label_take(run_id: str, job: str) -> None:
    name = names.object_name(run_id, 3, 11, store=ONE)
    assert re.fullmatch(rf"{job}-[0-9a-f]{{10}}-a3-11", name)
    assert len(name) <= 63


def test_labels_say_run_store_owner_and_backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINING_STATE_DIR", str(tmp_path / "state"))
    labels = names.labels_of(run_of(tmp_path, ONE, "d" * 12), 0)
    assert (labels["training.run-id"], labels["training.store-id"]) == (RUN_ID, ONE)
    assert (labels["training.owner"], labels["training.backend"]) == ("urn:me", "d" * 12)
    before = names.labels_of(run_of(tmp_path, ""), 0)
    assert not {"training.store-id", "training.backend"} & set(before)
    assert filters(RUN_ID, 3, ONE)["label"][-1] == f"training.store-id={ONE}"


def test_an_object_is_owned_by_run_store_and_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINING_STATE_DIR", str(tmp_path / "state"))
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
    mine = names.labels_of(run_of(here, ONE))
    before = names.labels_of(run_of(here, ""))
    assert names.is_own(mine, Handle.of("docker", run_of(here, ONE)))
    assert names.is_own(before, Handle.of("docker", run_of(here, "")))
    for labels, other in (
        (mine, run_of(here, OTHER)),
        (mine, run_of(here, "")),
        (mine, run_of(there, ONE)),  # a copy of the store
        (before, run_of(here, ONE)),
        (before, run_of(there, "")),
        ({}, run_of(here, "")),
    ):
        assert not names.is_own(labels, Handle.of("docker", other))
        assert not names.is_of(labels, other)


def test_a_plan_names_by_the_store_and_leaves_it_open_before_there_is_one(tmp_path: Path) -> None:
    made: Plan = plan(run_of(tmp_path, ONE), None)
    assert made.request["nodes"][0]["name"] == names.object_name(RUN_ID, 3, 0, store=ONE)
    assert made.request["launch"]["store"] == ONE
    assert made.request["launch"]["environment"]["TRAINING_STORE_ID"] == ONE
    before = plan(run_of(tmp_path, ""), None).request["launch"]
    assert "store" not in before and "TRAINING_STORE_ID" not in before["environment"]
    sketch = plan(run_of(tmp_path, UNKNOWN_PART), None)
    assert UNKNOWN_PART in sketch.request["nodes"][0]["name"] and not sketch.is_complete
