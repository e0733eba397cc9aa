"""Orders to the agent of a live attempt, put into node 0."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from ...launch.request import Limits
from ...spec.document import parse_object
from ...spec.errors import TransientError
from ..containers.node_layout import FOLDER
from ..containers.tar_upload import Upload, tar_of
from .fetch import read_file

if TYPE_CHECKING:
    import docker

_LAUNCH = f"{FOLDER}/launch"
_REQUEST = f"{_LAUNCH}/launch.json"


def stop(client: docker.DockerClient, container: str, grace: float) -> None:
    """Asks the agent to stop its ranks; `grace` in seconds."""
    order = json.dumps({"why": "cancel", "grace_seconds": grace}).encode()

    def write(into: Upload) -> None:
        # The link comes last, so that the agent never reads half an order.
        into.file("/stop-order.json", order)
        into.link("/stop.json", "stop-order.json")

    client.api.put_archive(container, _LAUNCH, tar_of(write, None))


def rewrite_limits(client: docker.DockerClient, container: str, python: str, limits: Limits) -> None:
    """Replaces the limits in the launch request, at once and whole."""
    content = read_file(client, container, _REQUEST)
    if content is None:
        return
    request = {**parse_object(content, "launch.json"), "limits": asdict(limits)}
    new = f"{_REQUEST}.new"

    def write(into: Upload) -> None:
        into.file("/launch.json.new", json.dumps(request, indent=1).encode())

    client.api.put_archive(container, _LAUNCH, tar_of(write, None))
    _run(client, container, [python, "-I", "-S", "-c", f"import os; os.replace({new!r}, {_REQUEST!r})"])


def _run(client: docker.DockerClient, container: str, command: Sequence[str]) -> None:
    made = client.api.exec_create(container, list(command))
    words = client.api.exec_start(made["Id"])
    if client.api.exec_inspect(made["Id"])["ExitCode"] != 0:
        raise TransientError(f"the limits could not be changed: {words.decode('utf-8', 'replace')[-500:]}")
