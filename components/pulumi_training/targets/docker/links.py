"""What outputs link to inside of a container, kept there before the container ends: here such a link means nothing."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ...agent.keep import PARTS
from . import nodes
from .data import FOLDER
from .nodes import NodeState
from .request import SECRET_FILE

if TYPE_CHECKING:
    import docker

log = logging.getLogger(__name__)


def keep(client: docker.DockerClient, states: Iterable[NodeState], mark: Mapping[str, Any]) -> None:
    """Has every running node keep what its outputs link to; node 0 did so already, but for named outputs.

    Called before containers are ended: what is in their memory (`/tmp`) goes with them.
    """
    named = list(mark.get("named") or ())
    wanted = [state for state in states if state.status == "running" and (state.node or named)]
    nodes.together(lambda state: _keep(client, state, mark, [*PARTS, *named]), wanted)


def _keep(client: docker.DockerClient, state: NodeState, mark: Mapping[str, Any], parts: list[str]) -> None:
    options = ["--folder", FOLDER, "--parts", ",".join(parts), "--node", str(state.node)]
    command = [*mark["agent"], "keep", *options, "--without", SECRET_FILE]
    with nodes.ended_meanwhile():
        made = client.api.exec_create(state.id, command)
        said = client.api.exec_start(made["Id"])
        if said:
            log.warning("node %s: outputs: %s", state.node, said.decode("utf-8", "replace")[-500:])


def named_parts(folders: Iterable[str]) -> list[str]:
    """The folders of named outputs, as parts of the attempt's folder."""
    return [place.removeprefix(f"{FOLDER}/") for place in folders if place.startswith(f"{FOLDER}/")]
