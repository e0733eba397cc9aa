"""Names and labels of what a run has at the daemon: enough to find it again, and to know whose it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...record.staging import state_id
from ..base import RunSpec

LABEL = "training."
RUN, ATTEMPT, NODE = LABEL + "run-id", LABEL + "attempt", LABEL + "node"
OWNER, WORKSPACE, STORE, FOLDER = LABEL + "owner", LABEL + "workspace", LABEL + "store", LABEL + "folder"
STATE = LABEL + "state-id"
"""From which user's state folder, on whichever machine, an object was made."""


def object_name(run_id: str, attempt: int, node: int | None = None) -> str:
    """The network's name, or that of a node's container and volume."""
    base = f"{run_id}-a{attempt}"
    return base if node is None else f"{base}-{node}"


def host_name(node: int) -> str:
    """How the nodes of a run call one another."""
    return f"node-{node}"


def labels_of(run: RunSpec, node: int | None = None) -> dict[str, str]:
    """The labels of an object of an attempt. No secret is among them: everybody at the daemon can read them."""
    from ...spec.urls import display

    labels = {
        RUN: run.run_id,
        ATTEMPT: str(run.attempt),
        OWNER: run.owner,
        WORKSPACE: str(run.compute["workspace"]),
        STORE: display(str(run.compute["store"])),
        FOLDER: str(run.folder),
        STATE: state_id(),
    }
    return labels if node is None else {**labels, NODE: str(node)}


def filters(run_id: str, attempt: int) -> dict[str, Any]:
    """What lists the objects of an attempt, and no others."""
    return {"label": [f"{RUN}={run_id}", f"{ATTEMPT}={attempt}"]}


def workspace_filters(compute: Mapping[str, Any]) -> dict[str, Any]:
    """What lists the objects of every attempt of a workspace."""
    from ...spec.urls import display

    return {"label": [f"{WORKSPACE}={compute['workspace']}", f"{STORE}={display(str(compute['store']))}"]}


def own_filters() -> dict[str, Any]:
    """What lists the objects that were made from this user's state folder."""
    return {"label": [f"{STATE}={state_id()}"]}


def is_same(labels: Mapping[str, str] | None, run_id: str, attempt: int, owner: str) -> bool:
    """Whether labels are those of an attempt of that owner."""
    found = labels or {}
    return (found.get(RUN), found.get(ATTEMPT), found.get(OWNER)) == (run_id, str(attempt), owner)
