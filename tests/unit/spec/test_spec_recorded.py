"""What is read of a recorded job by name is what the models say: names, defaults, and every job as it is recorded."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any

import pytest
from pydantic import BaseModel

from pulumi_training.driver.request import recorded
from pulumi_training.spec.compute import ComputeRef
from pulumi_training.spec.document import DamagedDocument
from pulumi_training.spec.job import JobSpec
from pulumi_training.spec.policy import Retries
from pulumi_training.spec.recorded import RecordedCompute, RecordedJob, RecordedRetries

COMPUTE = {"target": "local", "workspace": "lab", "store": "./runs"}
JOB: dict[str, Any] = {
    "entryScript": "train.py",
    "arguments": ["--epochs", "5"],
    "nodeCount": 2,
    "processCountPerNode": 3,
    "distributedBackend": "mpi",
    "compute": {**COMPUTE, "maxNodes": 4, "pricePerNodeHour": 3.06, "trackingUri": "workspace"},
    "retries": {"maxAttempts": 3, "on": ["stalled"], "backoffSeconds": 7},
    "expect": {"accuracy": ">=0.93"},
    "inputs": {"digits": {"uri": "./data"}},
    "resumeFrom": "fit-1",
    "maxRunDurationSeconds": 60,
    "wait": False,
    "tags": {"team": "vision"},
}


@pytest.mark.parametrize(
    ("kind", "model"), [(RecordedJob, JobSpec), (RecordedCompute, ComputeRef), (RecordedRetries, Retries)]
)
def test_names_and_defaults_are_those_of_the_model(kind: type, model: type[BaseModel]) -> None:
    plain = model.model_construct().model_dump(mode="json")
    for each in fields(kind):
        if each.name in ("document", "compute", "retries"):
            continue
        assert each.name in model.model_fields
        if model.model_fields[each.name].is_required():
            continue
        default = each.default_factory() if each.default_factory is not MISSING else each.default
        expected = plain[each.name]
        assert default == (tuple(expected) if isinstance(expected, list) else expected), each.name


def test_a_job_is_read_as_it_was_recorded() -> None:
    spec = JobSpec.model_validate(JOB)
    job = RecordedJob.of(recorded(spec))
    for each in fields(RecordedJob):
        if each.name in ("document", "compute", "retries", "inputs"):
            continue
        found, given = getattr(job, each.name), getattr(spec, each.name)
        assert (list(found) if isinstance(found, tuple) else found) == given, each.name
    assert job.world_size == spec.world_size == 6
    assert (job.compute.max_nodes, job.compute.price_per_node_hour) == (4, 3.06)
    assert (job.retries.max_attempts, job.retries.on, job.retries.backoff_seconds) == (3, ("stalled",), 7)
    assert job.inputs["digits"]["uri"] == "./data"
    assert job.document["triggers"] == []


def test_what_a_version_before_did_not_write_has_its_default() -> None:
    job = RecordedJob.of({"entryScript": "train.py", "compute": COMPUTE, "nodeCount": None})
    assert (job.node_count, job.wait, job.retries, job.compute.cluster) == (
        1,
        True,
        RecordedRetries(),
        "default",
    )


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"nodeCount": "two"}, "nodeCount"),
        ({"compute": {**COMPUTE, "maxNodes": -1}}, "maxNodes"),
        ({"retries": {"on": "lost"}}, "on"),
        ({"arguments": [1]}, "arguments"),
    ],
)
def test_a_property_of_another_type_is_damage_that_names_it(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(DamagedDocument, match=f"run.json.*`{named}`"):
        RecordedJob.of({"entryScript": "train.py", "compute": COMPUTE, **wrong}, "run.json (spec)")
