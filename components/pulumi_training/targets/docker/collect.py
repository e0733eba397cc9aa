"""The end of an attempt at the daemon: its files brought into the attempt's folder, its outputs delivered."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...environment.mirror import FOLDER as ENVIRONMENT_FOLDER
from ...spec.errors import PermanentError
from ...spec.outcome import Reason
from ..containers.collected import report_differences
from ..containers.data_layout import layout
from ..containers.node_layout import CODE, COLLECTED, FOLDER
from ..contract.handle import Handle
from ..contract.run import RunSpec
from ..contract.target import Tell
from . import nodes
from .bring import bring, read_listing
from .mark import MARK
from .nodes import NodeState

if TYPE_CHECKING:
    import docker


def bring_home(client: docker.DockerClient, handle: Handle, run: RunSpec, tell: Tell) -> None:
    """Brings everything, then removes what is at the daemon; called again, it goes on where it stopped."""
    folder = Path(handle.folder)
    mark = MARK.read(folder)
    if not mark.get("brought"):
        missing = _bring_all(client, handle, run, mark, tell)
        mark = {**mark, "brought": True, "missing": missing}
        MARK.write(folder, mark)
    nodes.remove(client, handle)
    MARK.write(folder, {**mark, "removed": True})


def deliver(run: RunSpec, tell: Tell) -> None:
    """Delivers the named outputs that were brought.

    Raises:
        PermanentError: containers went away before what they wrote was brought, or an output cannot be delivered.
    """
    missing = MARK.read(run.folder).get("missing")
    if missing:
        raise PermanentError(
            Reason.COLLECT_FAILED,
            f"{', '.join(missing)}: removed at the daemon before what they wrote was brought here",
        )
    if run.document["outputs"]:
        _deliver(run, tell)


def rescue(client: docker.DockerClient, handle: Handle, mark: Mapping[str, Any]) -> dict[str, Any]:
    """Brings what containers of an attempt wrote, whatever became of it, for their removal; answers the new mark."""
    folder = Path(handle.folder)
    for number, state in sorted(nodes.states(client, handle).items()):
        bring(client, state.id, folder, number, {part: f"{FOLDER}/{part}" for part in COLLECTED}, None)
    new = {**mark, "brought": True}
    MARK.write(folder, new)
    return new


def _bring_all(
    client: docker.DockerClient, handle: Handle, run: RunSpec, mark: Mapping[str, Any], tell: Tell
) -> list[str]:
    """Answers the names of the containers that are not there any more."""
    found = nodes.states(client, handle)
    missing = [name for number, name in enumerate(mark["nodes"]) if number not in found]
    # Those below the script's own folders come with them: `code/outputs` is but another way to `outputs`.
    parts = tuple(f"{CODE}/{part}/" for part in COLLECTED)
    own = [path for path in _own_outputs(run).values() if not f"{path}/".startswith(parts)]
    for number, state in sorted(found.items()):
        tell(f"collecting outputs of node {number}" if len(mark["nodes"]) > 1 else "collecting outputs")
        listing = _listing(client, state, mark, number) if state.is_running else None
        brought = bring(
            client,
            state.id,
            Path(handle.folder),
            number,
            {part: f"{FOLDER}/{part}" for part in COLLECTED},
            listing,
        )
        report_differences(brought, number, tell)
        for path in own:
            inside = f"code/{path.removeprefix(f'{CODE}/')}"
            report_differences(
                bring(client, state.id, Path(handle.folder), number, {inside: path}, None), number, tell
            )
    return missing


def _listing(
    client: docker.DockerClient, state: NodeState, mark: Mapping[str, Any], node: int
) -> list[dict[str, Any]] | None:
    """Files of a live node, None of one that ended; with digests where another node may have the same names."""
    command = [*mark["agent"], "files", "--folder", FOLDER, "--parts", ",".join(COLLECTED)]
    with nodes.ended_meanwhile(client, state.id):
        made = client.api.exec_create(
            state.id, [*command, *(["--digests", "1"] if node else [])], stderr=False
        )
        return read_listing(client.api.exec_start(made["Id"]))
    return None


def _own_outputs(run: RunSpec) -> dict[str, str]:
    """The named outputs that are copied out, with their paths in the nodes."""
    if not run.document["outputs"]:
        return {}
    from ...spec.urls import on_compute

    paths = layout(run.job.inputs, run.job.outputs).paths
    return {name: paths[name] for name, spec in run.job.outputs.items() if on_compute(spec.uri) is None}


def _deliver(run: RunSpec, tell: Tell) -> None:
    from ...data.mount import deliver
    from ...spec.data import DataMode

    names = _own_outputs(run)
    # A folder on this side of the daemon cannot be mounted there: what was written for it is delivered.
    specs = {
        name: spec.model_copy(update={"mode": DataMode.UPLOAD})
        for name, spec in run.job.outputs.items()
        if name in names
    }
    deliver(specs, run.code, tell, base=run.base)


def forget(folder: Path) -> None:
    """Takes away what only a live attempt needs."""
    for name in ("code", ENVIRONMENT_FOLDER):
        shutil.rmtree(folder / name, ignore_errors=True)
