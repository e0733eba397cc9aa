"""What outputs link to inside of a container, kept there before the container ends: here such a link means nothing."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..containers.node_layout import FOLDER, SECRET_FILE
from . import nodes
from .nodes import NodeState

if TYPE_CHECKING:
    import docker

log = logging.getLogger(__name__)
_SECONDS = 600.0
_PAUSE_SECONDS = 1.0


def keep(client: docker.DockerClient, states: Iterable[NodeState], mark: Mapping[str, Any]) -> None:
    """Has every running node keep what its outputs link to; node 0 did so already, but for named outputs.

    Called before containers are ended: what is in their memory (`/tmp`) goes with them. A node that does not do it
    within ten minutes is ended all the same.
    """
    from ...agent.keep import PARTS

    named = list(mark.get("named") or ())
    wanted = [state for state in states if state.status == "running" and (state.node or named)]
    if mark.get("agent"):
        nodes.together(lambda state: _keep(client, state, mark, [*PARTS, *named]), wanted)


def _keep(client: docker.DockerClient, state: NodeState, mark: Mapping[str, Any], parts: list[str]) -> None:
    options = ["--folder", FOLDER, "--parts", ",".join(parts), "--node", str(state.node)]
    command = [*mark["agent"], "keep", *options, "--without", SECRET_FILE]
    began = time.monotonic()
    with nodes.ended_meanwhile(client, state.id):
        # Not waited for on the connection: it may say nothing for longer than a connection is held.
        made = client.api.exec_create(state.id, command, stdout=False, stderr=False)
        client.api.exec_start(made["Id"], detach=True)
        while client.api.exec_inspect(made["Id"])["Running"]:
            waited = time.monotonic() - began
            if waited > _SECONDS:
                log.warning("node %s was still copying what its outputs link to", state.node)
                return
            time.sleep(min(_PAUSE_SECONDS, max(0.02, waited / 10)))


def named_parts(folders: Iterable[str]) -> list[str]:
    """The folders of named outputs, as parts of the attempt's folder."""
    return [place.removeprefix(f"{FOLDER}/") for place in folders if place.startswith(f"{FOLDER}/")]
