"""What decides the result, and what does not."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import create_model

from pulumi_training.identity.key import run_key
from pulumi_training.spec import environment, job
from pulumi_training.spec.fields import Identity, key
from pulumi_training.spec.job import JobSpec
from pulumi_training.spec.partition import key_fields, names_of

COMPUTE = {"target": "local", "workspace": "lab", "store": "./runs", "maxNodes": 2, "slotsPerNode": 2}
BASE: dict[str, Any] = {
    "entryScript": "train.py",
    "compute": COMPUTE,
    "arguments": ["--epochs", "5"],
    "environment": {"pipPackages": ["numpy"]},
    "inputs": {"digits": {"uri": "./data", "fingerprint": "sha256:1"}},
    "sourceDigest": "sha256:0",
    "nodeCount": 2,
    "distributedBackend": "mpi",
}


def key_of(**changes: Any) -> str:
    return run_key(key_fields(JobSpec.model_validate({**BASE, **changes})))


def test_the_key_is_what_it_always_was() -> None:
    """A change here retrains every job of everybody."""
    assert key_fields(JobSpec.model_validate(BASE)) == {
        "entryScript": "train.py",
        "arguments": ["--epochs", "5"],
        "environment": {"pipPackages": ["numpy"]},
        "inputs": {"digits": {"fingerprint": "sha256:1"}},
        "sourceDigest": "sha256:0",
        "nodeCount": 2,
        "distributedBackend": "mpi",
    }
    assert key_of() == "v1:708a9c982d6ff1ca98b6d91a4464a06f449ba052d710e9633749e5be1b8395ff"


@pytest.mark.parametrize(
    "changes",
    [
        {"sourceDigest": "sha256:9"},
        {"entryScript": "other.py"},
        {"arguments": ["5", "--epochs"]},
        {"environment": {"pipPackages": ["numpy", "scipy"]}},
        {"environment": {"pipPackages": ["numpy"], "refresh": "1"}},
        {"environmentVariables": {"A": "1"}},
        {"nodeCount": 1},
        {"processCountPerNode": 2},
        {"distributedBackend": "gloo"},
        {"triggers": ["1"]},
        {"resumeFrom": "fit-1"},
        {"inputs": {"digits": {"uri": "./data", "fingerprint": "sha256:2"}}},
        {"inputs": {"digits": {"uri": "./data", "fingerprint": "sha256:1", "mode": "download"}}},
        {"outputs": {"model": {"uri": "./models"}}},
        {"useGpu": True},
        {"shmSize": "2g"},
    ],
    ids=str,
)
def test_what_decides_the_result(changes: dict[str, Any]) -> None:
    assert key_of(**changes) != key_of()


@pytest.mark.parametrize(
    "changes",
    [
        {"sourceDirectory": "/elsewhere"},
        {"name": "other"},
        {"compute": {**COMPUTE, "store": "s3://b", "cluster": "big", "maxNodes": 9, "workspace": "w"}},
        {"secretEnvironmentVariables": {"TOKEN": "x"}},
        {"environment": {"pipPackages": ["numpy"], "indexUrl": "https://x"}},
        {"tags": {"a": "b"}},
        {"expect": {"accuracy": ">1"}},
        {"maxRunDurationSeconds": 5},
        {"retries": {"maxAttempts": 3}},
        {"wait": False},
        {"description": "d", "displayName": "n", "experimentName": "e"},
        {"inputs": {"digits": {"uri": "./moved", "fingerprint": "sha256:1"}}},
        {"processCountPerNode": 1, "useGpu": False, "triggers": [], "outputs": {}},
        {"nodeCount": 2.0},
    ],
    ids=str,
)
def test_what_does_not(changes: dict[str, Any]) -> None:
    assert key_of(**changes) == key_of()


def test_an_input_without_a_fingerprint_counts_by_its_address() -> None:
    one, two = ({"inputs": {"d": {"uri": uri}}} for uri in ("./a", "./b"))
    assert key_of(**one) != key_of(**two)


def test_an_environment_at_its_defaults_is_as_none() -> None:
    assert key_of(environment={}) == key_of(environment=None)


def test_an_environment_reference_counts_by_its_digest() -> None:
    ref = {"id": "env-1", "digest": "d", "target": "local", "location": "/a", "spec": {}}
    given = {"environment": None, "environmentRef": ref}
    assert key_of(**given) == key_of(**{**given, "environmentRef": {**ref, "location": "/b", "id": "x"}})
    assert key_of(**given) != key_of(**{**given, "environmentRef": {**ref, "digest": "e"}})


@pytest.mark.parametrize("default", [None, 7, "x", [], {}, ["a"]])
def test_a_new_field_with_a_default_retrains_nobody(default: Any) -> None:
    newer_environment = create_model(
        "EnvironmentSpec", __base__=environment.EnvironmentSpec, brand_new=(Any, key(default))
    )
    newer = create_model(
        "JobSpec",
        __base__=job.JobSpec,
        brand_new=(Any, key(default)),
        environment=(newer_environment | None, key(None)),
    )
    assert run_key(key_fields(newer.model_validate(BASE))) == key_of()
    changed = newer.model_validate({**BASE, "brandNew": "another"})
    assert run_key(key_fields(changed)) != key_of()


def test_every_property_is_of_one_identity() -> None:
    groups = [names_of(identity) for identity in Identity]
    assert sum(map(len, groups)) == len(frozenset.union(*groups)) == len(JobSpec.model_fields)
    assert {"tags", "expect", "retries", "wait"} <= names_of(Identity.INPLACE)
    assert {"compute", "secretEnvironmentVariables", "sourceDirectory"} <= names_of(Identity.IGNORED)
