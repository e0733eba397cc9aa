"""Examples whose nodes are containers, as a new user runs them, where a daemon has the base image."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from checkout import Checkout

pytestmark = [
    pytest.mark.slow, pytest.mark.engine, pytest.mark.mpi, pytest.mark.docker, pytest.mark.timeout(900),
]  # fmt: skip
BASE = os.environ.get("TRAINING_TEST_IMAGE", "training-base:bookworm")


def test_two_nodes_of_a_custom_image(checkout: Checkout) -> None:
    try:
        import docker

        client = docker.from_env()
        client.images.get(BASE)
        client.close()
    except Exception as error:
        reason = f"no Docker daemon with the image {BASE} (tools/docker-base makes it): {error}"
        if "docker" in os.environ.get("TRAINING_REQUIRE", "").split(","):
            pytest.fail(reason)
        pytest.skip(reason)
    if "SSL_CERT_FILE" in os.environ:  # the build trusts what this machine trusts
        checkout.environment["TRAINING_CA_BUNDLE"] = os.environ["SSL_CERT_FILE"]
    folder = checkout.folder / "examples" / "distributed-custom-image"
    checkout.shell(f"pulumi stack init dev && pulumi config set baseImage {BASE}", folder)
    checkout.shell("pulumi up --yes --skip-preview --non-interactive", folder)
    outputs = json.loads(checkout.shell("pulumi stack output --json", folder))
    assert float(outputs["metrics"]["loss"]) < 0.05
    assert Path(outputs["outputs"]).is_dir()
    assert "unchanged" in checkout.shell("pulumi preview --non-interactive", folder)
    checkout.shell("pulumi destroy --yes --skip-preview --non-interactive", folder)
