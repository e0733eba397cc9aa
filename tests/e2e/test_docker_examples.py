"""Examples whose nodes are containers, as a new user runs them, where a daemon has the base image."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import daemon
import pytest
import registry
from checkout import Checkout

pytestmark = [
    pytest.mark.slow, pytest.mark.engine, pytest.mark.mpi, pytest.mark.docker, pytest.mark.timeout(900),
]  # fmt: skip


def deploy(checkout: Checkout, folder: Path, *config: str) -> dict[str, Any]:
    """The outputs of the example after `pulumi up`; a second look finds nothing to do."""
    checkout.environment.update(daemon.variables())
    checkout.shell(f"pulumi stack init dev && pulumi config set baseImage {daemon.base_image()}", folder)
    for line in config:
        checkout.shell(f"pulumi config set {line}", folder)
    checkout.shell("pulumi up --yes --skip-preview --non-interactive", folder)
    outputs: dict[str, Any] = json.loads(checkout.shell("pulumi stack output --json", folder))
    assert float(outputs["metrics"]["loss"]) < 0.05
    assert Path(outputs["outputs"]).is_dir()
    assert "unchanged" in checkout.shell("pulumi preview --non-interactive", folder)
    return outputs


def test_two_nodes_of_a_custom_image(checkout: Checkout) -> None:
    daemon.base_image()
    folder = checkout.folder / "examples" / "distributed-custom-image"
    deploy(checkout, folder)
    checkout.shell("pulumi destroy --yes --skip-preview --non-interactive", folder)


def test_a_custom_image_in_a_private_registry(checkout: Checkout, tmp_path: Path) -> None:
    daemon.base_image()
    folder = checkout.folder / "examples" / "distributed-custom-image"
    (tmp_path / "registry").mkdir()
    with registry.serve(tmp_path / "registry") as server:
        repository = f"{server.address}/team/training"
        outputs = deploy(
            checkout,
            folder,
            f"repository {repository}",
            f"registryUser {registry.USER}",
            f"--secret registryPassword {registry.PASSWORD}",
        )
        assert re.fullmatch(rf"{repository}@sha256:[0-9a-f]{{64}}", outputs["image"])
        # Another machine has none of it but what was pushed, and its own login.
        login = base64.b64encode(f"{registry.USER}:{registry.PASSWORD}".encode()).decode()
        (tmp_path / "docker").mkdir()
        config = {"auths": {server.address: {"auth": login}}}
        (tmp_path / "docker" / "config.json").write_text(json.dumps(config))
        checkout.environment["DOCKER_CONFIG"] = str(tmp_path / "docker")
        client = daemon.connect()
        for image in client.images.list(repository):
            client.images.remove(image.id, force=True)
        client.close()
        (folder / "src" / "train.py").open("a").write("\n# a word more\n")
        said = checkout.shell("pulumi up --yes --skip-preview --non-interactive", folder)
        assert "1 replaced" in said
        assert "Building the image" not in said
        checkout.shell("pulumi destroy --yes --skip-preview --non-interactive", folder)
    state = "\n".join(path.read_text() for path in folder.rglob("*.json") if path.is_file())
    assert registry.PASSWORD not in state
