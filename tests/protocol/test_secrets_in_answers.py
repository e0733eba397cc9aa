"""No answer of the provider has a secret in the clear, whatever it is about."""

from __future__ import annotations

from typing import Any

import pytest
from job_plugin import ENVIRONMENT, JOB, Jobs
from pulumi.runtime.proto import provider_pb2

from pulumi_training.provider import wire
from pulumi_training.provider.wire import UNKNOWN, Secret

RETENTION = "training:index:RecordRetention"
TOKEN = "tr0ub4dor-and-3"
S = Secret(TOKEN)
COMPUTE = {"target": "local", "workspace": "lab", "store": "./store"}
JOB_INPUTS: dict[str, Any] = {"compute": COMPUTE, "sourceDirectory": "./src", "entryScript": "train.py"}


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"arguments": ["--pw", S]}, "arguments"),
        ({"arguments": Secret(["--pw", TOKEN])}, "arguments"),
        ({"environmentVariables": {"PW": S}}, "environmentVariables"),
        ({"environmentVariables": Secret({"P W": TOKEN})}, "environmentVariables"),
        ({"command": S, "entryScript": None}, "command"),
        ({"entryScript": S}, "entryScript"),
        ({"sourceDirectory": Secret("./src-" + TOKEN)}, "sourceDirectory"),
        ({"nodeCount": S}, "nodeCount"),
        ({"distributedBackend": S}, "distributedBackend"),
        ({"secretEnvironmentVariables": {"not a name": TOKEN}}, 'secretEnvironmentVariables["not a name"]'),
        ({"secretEnvironmentVariables": {"PW": [TOKEN]}}, "secretEnvironmentVariables.PW"),
        ({"inputs": {"d": {"uri": "./d", "mode": S}}}, "inputs.d.mode"),
        ({"inputs": S}, "inputs"),
        ({"tags": S}, "tags"),
        ({"expect": {"loss": S}}, "expect.loss"),
        ({"environment": {"imageRegistry": {"address": "r", "password": [TOKEN]}}}, "environment.imageRegistry.password"),
        ({"environment": {"buildSecrets": TOKEN}}, "environment.buildSecrets"),
        ({"environment": {"pipPackages": [S, UNKNOWN]}, "tags": [TOKEN], "triggers": [S]}, "tags"),
        ({"compute": {**COMPUTE, "maxNodes": S}}, "compute.maxNodes"),
        ({"compute": {**COMPUTE, "settings": S}}, "compute.settings"),
        ({"compute": S}, "compute"),
        ({"compute": {**COMPUTE, "target": "docker", "settings": {"memory": S}}}, "compute.settings.memory"),
        ({"compute": {**COMPUTE, "target": "docker", "settings": {"memory": Secret(TOKEN * 9)}}}, "compute.settings.memory"),
        ({"compute": {**COMPUTE, "target": "docker", "docker": {"memory": Secret(TOKEN * 9)}}}, "compute.docker.memory"),
        ({"compute": {**COMPUTE, "target": "docker", "docker": {"cpus": Secret(TOKEN * 9)}}}, "compute.docker.cpus"),
        ({"compute": {**COMPUTE, "local": {"ulimits": [Secret(TOKEN * 9)]}}}, "compute.local.ulimits[0]"),
        ({"compute": {**COMPUTE, "local": Secret(TOKEN * 9)}}, "compute.local"),
        ({"compute": {**COMPUTE, "trackingUri": Secret(f"http://a:{TOKEN}@h")}}, "compute.trackingUri"),
        ({"compute": {**COMPUTE, "trackingUri": f"http://a:{TOKEN}@h"}}, "compute.trackingUri"),
        ({"noSuchProperty": S}, "noSuchProperty"),
    ],
)  # fmt: skip
def test_a_refused_job_shows_none(lab: Jobs, given: dict[str, Any], path: str) -> None:
    assert path in refused(lab, JOB, {**JOB_INPUTS, **given})


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"pipPackages": S}, "pipPackages"),
        ({"target": S}, "target"),
        ({"image": S}, "image"),
        ({"sourceDirectory": S}, "sourceDirectory"),
        ({"pipRequirementsFile": S}, "pipRequirementsFile"),
    ],
)
def test_a_refused_environment_shows_none(lab: Jobs, given: dict[str, Any], path: str) -> None:
    assert path in refused(lab, ENVIRONMENT, given)


@pytest.mark.parametrize(("given", "path"), [({"keepLast": S}, "keepLast"), ({"workspace": S}, "workspace")])
def test_a_refused_retention_shows_none(lab: Jobs, given: dict[str, Any], path: str) -> None:
    assert path in refused(lab, RETENTION, {"workspace": COMPUTE, "keepLast": 1, **given})


def refused(lab: Jobs, kind: str, inputs: dict[str, Any]) -> list[str]:
    """The paths of what is wrong; nothing of the answer but the inputs themselves has the secret."""
    given = {name: value for name, value in inputs.items() if value is not None}
    urn = f"urn:pulumi:dev::shop::{kind}::it"
    request = provider_pb2.CheckRequest(urn=urn, news=wire.encode(given), name="it", type=kind)
    answer = lab.client.stub.Check(request, timeout=60)
    for failure in answer.failures:
        assert not failure.property
        assert not any(TOKEN[:n] in failure.reason for n in range(8, len(TOKEN))), failure.reason
    return [failure.reason.partition(": ")[0] for failure in answer.failures]


def test_a_secret_retention_is_taken(lab: Jobs) -> None:
    inputs = {"workspace": Secret({**COMPUTE, "workspace": "lab"}), "keepLast": Secret(2)}
    checked, problems = lab.check(inputs, name="keep", kind=RETENTION)
    assert not problems and checked["workspace"] == inputs["workspace"]


def test_credentials_in_addresses_are_secret_though_nobody_said_so(lab: Jobs) -> None:
    store, index = f"s3://KEY:{TOKEN}@bucket/x", f"https://u:{TOKEN}@index.example.com/simple"
    settings = {"tls": "x", "dockerHost": f"tcp://a:{TOKEN}@h:1"}
    typed = {"tls": "x", "brandNew": [f"tcp://a:{TOKEN}@h:1"]}
    inputs = {
        **JOB_INPUTS,
        "compute": {**COMPUTE, "store": store, "target": "docker", "settings": settings, "docker": typed},
        "environment": {"indexUrl": index, "extraIndexUrls": ["https://plain.example.com/simple", index]},
    }
    checked, problems = lab.check(inputs)
    assert not problems
    assert checked["compute"]["store"] == Secret(store)
    assert checked["compute"]["settings"] == {"tls": "x", "dockerHost": Secret(f"tcp://a:{TOKEN}@h:1")}
    assert checked["compute"]["docker"] == {"tls": "x", "brandNew": [Secret(f"tcp://a:{TOKEN}@h:1")]}
    assert checked["environment"]["indexUrl"] == Secret(index)
    assert checked["environment"]["extraIndexUrls"] == ["https://plain.example.com/simple", Secret(index)]


def test_an_environment_gives_back_what_came_as_a_secret_as_one(lab: Jobs) -> None:
    index = f"https://u:{TOKEN}@index.example.com/simple"
    inputs = lab.checked({"indexUrl": index, "findLinks": Secret(["./wheels"])}, name="env", kind=ENVIRONMENT)
    outputs = lab.create(inputs, name="env", kind=ENVIRONMENT).outputs
    assert outputs["ref"]["spec"] == {"indexUrl": Secret(index), "findLinks": Secret(["./wheels"])}
