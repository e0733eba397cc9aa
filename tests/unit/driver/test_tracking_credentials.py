from __future__ import annotations

import pytest

from pulumi_training.driver.request import HIDDEN, recorded
from pulumi_training.driver.track import with_tracking_credentials
from pulumi_training.spec.job import JobSpec

COMPUTE = {"target": "local", "workspace": "lab", "store": "./lab"}


def job(uri: str | None) -> JobSpec:
    return JobSpec.model_validate(
        {"entryScript": "train.py", "compute": {**COMPUTE, **({"trackingUri": uri} if uri else {})}}
    )


def test_what_opens_the_server_is_a_secret_of_the_script(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "a-secret-token")
    opened = with_tracking_credentials(job("https://mlflow.example.com"))
    assert opened.secret_environment_variables == {"MLFLOW_TRACKING_TOKEN": "a-secret-token"}
    document = recorded(opened)
    assert document["secretEnvironmentVariables"] == {"MLFLOW_TRACKING_TOKEN": HIDDEN}
    assert "a-secret-token" not in str(document)


@pytest.mark.parametrize("uri", [None, "workspace"])
def test_what_is_not_sent_to_a_server_needs_no_credentials(
    monkeypatch: pytest.MonkeyPatch, uri: str | None
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "a-secret-token")
    assert with_tracking_credentials(job(uri)) == job(uri)
