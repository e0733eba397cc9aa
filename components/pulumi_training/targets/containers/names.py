"""Names and labels of what a run has at its backend: enough to find it again, and to know whose it is."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from ...identity.key import ID_LENGTH
from ...record.staging import state_id
from ..contract.handle import Handle
from ..contract.plan import UNKNOWN_PART
from ..contract.run import RunSpec

LABEL = "training."
RUN, ATTEMPT, NODE = LABEL + "run-id", LABEL + "attempt", LABEL + "node"
OWNER, WORKSPACE, STORE, FOLDER = LABEL + "owner", LABEL + "workspace", LABEL + "store", LABEL + "folder"
STORE_ID, BACKEND = LABEL + "store-id", LABEL + "backend"
"""The identity of the run's store, and which of Pulumi's backends its stack is in; absent where there is none."""
STATE = LABEL + "state-id"
"""From which user's state folder, on whichever machine, an object was made."""


def object_name(run_id: str, attempt: int, node: int | None = None, *, store: str = "") -> str:
    """The network's name, or that of a node's container and volume: `<job name>-<10 hex>-a<attempt>[-<node>]`.

    The digits are of the run id and its store's identity, for runs of two stores may have one id. Attempts that began
    before stores had an identity have their run id there.
    """
    base = f"{_apart(run_id, store) if store else run_id}-a{attempt}"
    return base if node is None else f"{base}-{node}"


def labels_of(run: RunSpec, node: int | None = None) -> dict[str, str]:
    """The labels of an object of an attempt. No secret is among them: everybody at the backend can read them."""
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
    labels |= {name: value for name, value in ((STORE_ID, run.store), (BACKEND, run.backend)) if value}
    return labels if node is None else {**labels, NODE: str(node)}


def labels_to_find(run_id: str, attempt: int, store: str = "") -> dict[str, str]:
    """The labels that list the objects of an attempt; those of others too, that `is_own` then tells apart."""
    return {RUN: run_id, ATTEMPT: str(attempt), **({STORE_ID: store} if store else {})}


def is_own(labels: Mapping[str, str] | None, handle: Handle) -> bool:
    """Whether an object that `labels_to_find` lists is the attempt's."""
    found = labels or {}
    return handle.owns(found.get(STORE_ID, ""), found.get(FOLDER, ""))


def labels_of_workspace(compute: Mapping[str, object], store: str) -> dict[str, str]:
    """The labels that list the objects of every attempt of a workspace; `store` is the identity of its store."""
    from ...spec.urls import display

    labels = {WORKSPACE: str(compute["workspace"]), STORE: display(str(compute["store"]))}
    return {**labels, **({STORE_ID: store} if store else {})}


def key_of(labels: Mapping[str, str]) -> tuple[str, int, str, str]:
    """Whose an object is, as `Handle.key` tells it."""
    store, folder = labels.get(STORE_ID) or "", labels.get(FOLDER) or ""
    return labels[RUN], int(labels[ATTEMPT]), store, folder


def are_ours(labels: Mapping[str, str] | None) -> bool:
    """Whether labels tell an attempt: one object with half of them must not end the look at all others."""
    return bool(labels and labels.get(RUN)) and str((labels or {}).get(ATTEMPT)).isdigit()


def labels_of_user() -> dict[str, str]:
    """The labels that list the objects that were made from this user's state folder."""
    return {STATE: state_id()}


def is_of(labels: Mapping[str, str] | None, run: RunSpec) -> bool:
    """Whether labels are those of an attempt and of its owner."""
    found = labels or {}
    marks = (found.get(RUN), found.get(ATTEMPT), found.get(OWNER))
    return marks == (run.run_id, str(run.attempt), run.owner) and is_own(found, Handle.of("", run))


def _apart(run_id: str, store: str) -> str:
    digits = hashlib.sha256(f"{run_id}{store}".encode()).hexdigest()[:_DIGITS]
    job = _ID_END.sub("", run_id)[: ID_LENGTH - _DIGITS - 1].rstrip("-")
    return f"{job}-{UNKNOWN_PART if store == UNKNOWN_PART else digits}"


_DIGITS = 10
_ID_END = re.compile(r"-[0-9a-f]{10}(-r\d+)?$")
"""What follows the job's name in a run id, and in that of a repetition."""
