"""Records of a newer version: what it added is named, and takes nothing away from the rest."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from pydantic import ValidationError

from pulumi_training.driver.request import recorded
from pulumi_training.spec.job import JobSpec
from pulumi_training.spec.newer_job import recorded_job, unknown_in_record

REF = {"id": "env-1", "digest": "d", "target": "local", "location": "/x", "spec": {"pipPackages": ["numpy"]}}
JOB: dict[str, Any] = {
    "entryScript": "train.py",
    "compute": {"target": "docker", "workspace": "lab", "store": "./s", "settings": {"memory": "1g"}},
    "environment": {"pipPackages": ["numpy"], "imageRegistry": {"address": "r"}},
    "inputs": {"digits": {"uri": "./data"}},
    "retries": {"maxAttempts": 2},
}


def test_a_job_of_this_version_is_read_as_it_is() -> None:
    job = JobSpec.model_validate(JOB)
    assert recorded_job(recorded(job)) == job
    assert unknown_in_record(recorded(job)) == []


def test_what_a_newer_version_added_is_named_and_left_aside() -> None:
    newer = copy.deepcopy(JOB)
    newer["brandNew"] = {"a": 1}
    newer["environment"]["imageRegistry"]["proxy"] = "x"
    newer["inputs"]["digits"]["cache"] = True
    newer["retries"]["jitter"] = 0.5
    before = copy.deepcopy(newer)
    assert recorded_job(newer) == JobSpec.model_validate(JOB)
    paths = {"brandNew", "environment.imageRegistry.proxy", "inputs.digits.cache", "retries.jitter"}
    assert set(unknown_in_record(newer)) == paths
    assert newer == before, "the record keeps it"


def test_what_references_carry_is_carried_on() -> None:
    newer = {**JOB, "environment": None, "environmentRef": {**REF, "sbom": "s"}}
    newer["compute"] = {**JOB["compute"], "docker": {"memory": "1g", "gpuModel": "x"}, "later": 1}
    assert unknown_in_record(newer) == ["environmentRef.sbom"]
    document = recorded(recorded_job(newer))
    assert (
        document["compute"]["docker"] == {"memory": "1g", "gpuModel": "x"}
        and document["compute"]["later"] == 1
    )
    assert document["environmentRef"]["sbom"] == "s"


def test_a_damaged_value_is_not_taken_for_a_newer_one() -> None:
    with pytest.raises(ValidationError):
        recorded_job({**JOB, "nodeCount": "many"})
    with pytest.raises(ValidationError):
        recorded_job({**JOB, "nodeCount": "many", "brandNew": 1})
