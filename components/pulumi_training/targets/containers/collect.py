"""The end of an attempt at its backend: its files brought into the attempt's folder, its nodes ended, its outputs delivered."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...environment.mirror import FOLDER as ENVIRONMENT_FOLDER
from ...spec.errors import PermanentError
from ...spec.outcome import Reason
from .agent_commands import list_files
from .collect_files import collect_files
from .collected import report_differences
from .data_layout import layout
from .node_layout import CODE, COLLECTED, FOLDER
from .transport import NodeEnded

if TYPE_CHECKING:
    from ..contract.handle import Handle
    from ..contract.run import RunSpec
    from ..contract.target import Tell
    from .backend import Backend
    from .transport import NodeState, Transport


def collect_and_remove(
    backend: Backend[Any], transport: Transport, handle: Handle, run: RunSpec, tell: Tell
) -> None:
    """Brings everything, then removes what is at the backend; called again, it goes on where it stopped."""
    folder = Path(handle.folder)
    mark = backend.mark.read(folder)
    if not mark.get("brought"):
        missing = _Collection(backend, transport, handle, mark).all_of(run, tell)
        mark = {**mark, "brought": True, "missing": missing}
        backend.mark.write(folder, mark)
    transport.remove(handle)
    backend.mark.write(folder, {**mark, "removed": True})


def deliver(backend: Backend[Any], run: RunSpec, tell: Tell) -> None:
    """Delivers the named outputs that were brought.

    Raises:
        PermanentError: nodes went away before what they wrote was brought, or an output cannot be delivered.
    """
    missing = backend.mark.read(run.folder).get("missing")
    if missing:
        raise PermanentError(
            Reason.COLLECT_FAILED,
            f"{', '.join(missing)}: {backend.lost} before what they wrote was brought here",
        )
    if run.document["outputs"]:
        _deliver(run, tell)


def rescue(
    backend: Backend[Any],
    transport: Transport,
    handle: Handle,
    mark: Mapping[str, Any],
    more: Iterable[str] = (),
) -> dict[str, Any]:
    """Brings what nodes of an attempt wrote, whatever became of it, for their removal; answers the new mark.

    `more` are parts of the attempt's folder beside those that are always brought.
    """
    parts = {part: f"{FOLDER}/{part}" for part in (*COLLECTED, *more)}
    missing = []
    for number, state in sorted(transport.states(handle).items()):
        try:
            collect_files(transport, state.id, Path(handle.folder), number, parts, None, backend.mark)
        except NodeEnded:
            missing.append(state.name)
    new = {**mark, "brought": True, **({"missing": missing} if missing else {})}
    backend.mark.write(Path(handle.folder), new)
    return new


def end_nodes(
    backend: Backend[Any],
    transport: Transport,
    handle: Handle,
    states: Iterable[NodeState],
    mark: Mapping[str, Any],
    *,
    has_last_word: bool,
) -> None:
    """Ends what runs of an attempt that is over; nothing of what it wrote is lost by that.

    Where ended nodes cannot be read, those of a run that has said its last word are left to `collect_and_remove`: only
    their agent lives. Of one that has not, everything is brought first, where this machine has its folder.
    """
    if not transport.reads_ended:
        if has_last_word:
            return
        if mark and not mark.get("brought") and Path(handle.folder).is_dir():
            rescue(backend, transport, handle, mark, mark.get("named") or ())
    transport.kill(states)


def forget(folder: Path) -> None:
    """Takes away what only a live attempt needs."""
    for name in ("code", ENVIRONMENT_FOLDER):
        shutil.rmtree(folder / name, ignore_errors=True)


class _Collection:
    """All that the nodes of one attempt wrote."""

    def __init__(
        self, backend: Backend[Any], transport: Transport, handle: Handle, mark: Mapping[str, Any]
    ) -> None:
        self._backend = backend
        self._transport = transport
        self._handle = handle
        self._mark = mark

    def all_of(self, run: RunSpec, tell: Tell) -> list[str]:
        """Brings it; answers the names of the nodes that are out of reach."""
        found = self._transport.states(self._handle)
        names = self._mark["nodes"]
        missing = [name for number, name in enumerate(names) if number not in found]
        # Those below the script's own folders come with them: `code/outputs` is but another way to `outputs`.
        parts = tuple(f"{CODE}/{part}/" for part in COLLECTED)
        own = [path for path in _own_outputs(run).values() if not f"{path}/".startswith(parts)]
        for number, state in sorted(found.items()):
            tell(f"collecting outputs of node {number}" if len(names) > 1 else "collecting outputs")
            try:
                self._node(state, number, own, tell)
            except NodeEnded:
                missing.append(state.name)
        return missing

    def _node(self, state: NodeState, number: int, own: Iterable[str], tell: Tell) -> None:
        listing = list_files(self._transport, state, self._mark["agent"], number)
        wanted: list[tuple[dict[str, str], Any]] = [
            ({part: f"{FOLDER}/{part}" for part in COLLECTED}, listing),
            *(({f"code/{path.removeprefix(f'{CODE}/')}": path}, None) for path in own),
        ]
        for parts, entries in wanted:
            folder = Path(self._handle.folder)
            found = collect_files(
                self._transport, state.id, folder, number, parts, entries, self._backend.mark
            )
            report_differences(found, number, tell)


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
    # A folder on this side of the backend cannot be mounted there: what was written for it is delivered.
    specs = {
        name: spec.model_copy(update={"mode": DataMode.UPLOAD})
        for name, spec in run.job.outputs.items()
        if name in names
    }
    deliver(specs, run.code, tell, base=run.base)
