"""What the agent of a live node is told to do: stop its ranks, read other limits, list its files, keep what links lead to."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from .node_layout import COLLECTED, FOLDER, SECRET_FILE
from .transport import NodeEnded, NodeState, together

if TYPE_CHECKING:
    from ...launch.request import Limits
    from .tar_upload import Upload
    from .transport import Transport

log = logging.getLogger(__name__)
_LAUNCH = f"{FOLDER}/launch"
_REQUEST = f"{_LAUNCH}/launch.json"
_KEEP_SECONDS = 600.0


def stop(transport: Transport, node: str, grace: float) -> None:
    """Asks the agent of node 0 to stop the ranks of all; `grace` in seconds. A node that ended is no error."""
    order = json.dumps({"why": "cancel", "grace_seconds": grace}).encode()

    def write(into: Upload) -> None:
        # The link comes last, so that the agent never reads half an order.
        into.file("/stop-order.json", order)
        into.link("/stop.json", "stop-order.json")

    with suppress(NodeEnded):
        transport.put_files(node, write, into=_LAUNCH)


def rewrite_limits(transport: Transport, node: str, python: str, limits: Limits) -> None:
    """Replaces the limits in the launch request of node 0, at once and whole. A node that ended is no error.

    Raises:
        TransientError: the node could not do it.
    """
    from ...spec.document import parse_object
    from ...spec.errors import TransientError

    with suppress(NodeEnded):
        content = transport.read_file(node, _REQUEST)
        if content is None:
            return
        request = {**parse_object(content, "launch.json"), "limits": asdict(limits)}
        new = f"{_REQUEST}.new"
        text = json.dumps(request, indent=1).encode()
        transport.put_files(node, lambda into: into.file("/launch.json.new", text), into=_LAUNCH)
        replace = f"import os; os.replace({new!r}, {_REQUEST!r})"
        ran = transport.run(node, [python, "-I", "-S", "-c", replace])
        if ran.exit_code != 0:
            words = (ran.output + ran.errors).decode("utf-8", "replace")[-500:]
            raise TransientError(f"the limits could not be changed: {words}")


def list_files(
    transport: Transport, state: NodeState, agent: Iterable[str], node: int
) -> list[dict[str, Any]] | None:
    """What a node has written; with digests where another node may have the same names.

    None where it does not run, or did not tell to the end: half a list would be taken for all that there is.
    """
    if not state.is_running:
        return None
    command = [*agent, "files", "--folder", FOLDER, "--parts", ",".join(COLLECTED)]
    with suppress(NodeEnded):
        ran = transport.run(state.id, [*command, *(["--digests", "1"] if node else [])])
        return read_list(ran.output) if ran.exit_code == 0 else None
    return None


def read_list(text: bytes) -> list[dict[str, Any]]:
    """What `agent files` printed."""
    return [json.loads(line) for line in text.splitlines() if line.startswith(b"{")]


def keep_links(transport: Transport, states: Iterable[NodeState], mark: Mapping[str, Any]) -> None:
    """Has every running node keep what its outputs link to in it, for here such a link means nothing.

    Node 0 did so already, but for named outputs. Called before nodes are ended: what is in their memory (`/tmp`) goes with
    them. A node that does not do it within ten minutes is ended all the same.
    """
    from ...agent.keep import PARTS

    named = list(mark.get("named") or ())
    wanted = [state for state in states if state.status == "running" and (state.node or named)]
    if mark.get("agent"):
        together(lambda state: _keep(transport, state, mark, [*PARTS, *named]), wanted)


def _keep(transport: Transport, state: NodeState, mark: Mapping[str, Any], parts: list[str]) -> None:
    options = ["--folder", FOLDER, "--parts", ",".join(parts), "--node", str(state.node)]
    command = [*mark["agent"], "keep", *options, "--without", SECRET_FILE]
    with suppress(NodeEnded):
        if not transport.run_quietly(state.id, command, _KEEP_SECONDS):
            log.warning("node %s was still copying what its outputs link to", state.node)
