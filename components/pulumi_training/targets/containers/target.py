"""What every target of containers does alike: submit and adopt, observe, amend, cancel, collect, remove."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ...spec.errors import TransientError
from ..contract.capabilities import Amends, BuildsImages
from ..contract.handle import ComputeReference, Handle
from ..contract.observation import Observation
from ..contract.plan import Plan
from ..contract.run import RunSpec
from ..contract.target import Target, Tell
from ..withheld import is_withheld
from .backend import Backend, NameTaken, was_launched
from .conclusion import Conclusion, note_killed
from .node_layout import FOLDER, named_parts
from .observe import let_go, mirror, observe

if TYPE_CHECKING:
    from .transport import NodeState, Transport

_END = f"{FOLDER}/launch/end.json"
_REQUEST = f"{FOLDER}/launch/launch.json"
_LOOK_SECONDS = 0.2
_PATIENCE_SECONDS = 15.0


class ContainerTarget(Target, Amends, BuildsImages):
    """A target whose nodes are containers of a backend; see `Target` and its capabilities.

    1. Nothing assumes that the backend shares this machine's files: what a node needs comes by the transport.
    2. Objects are named by run id and attempt and labelled; what a crash left half made is removed and made anew,
       what was launched is adopted.
    3. No secret is in a node's settings, which everybody at the backend can read: the run's own is on its disk, the
       script's come with the launch and live in processes only.

    A plan's request has what `node_payload` and `node_start` read: `plan_parts`.
    """

    backend: ClassVar[Backend[Any]]
    submits_by_requests = True

    def submit(self, plan: Plan, run: RunSpec) -> Handle:
        """Makes the nodes and launches, unless that was done before."""
        from .node_start import UsedBefore

        backend = self.backend
        mark = backend.mark.read(run.folder)
        address = backend.address_in(mark) or backend.address_of(run.compute_reference)
        handle = Handle.of(self.name, run, address)
        if mark.get("begun"):
            return handle
        with backend.talking(address) as transport:
            was_begun = bool(mark)
            mark = {**_mark_of(plan, address), **({"store": run.store} if run.store else {})}
            backend.mark.write(run.folder, mark)
            if not is_withheld(address):
                backend.remember(address)
            if not was_begun:
                try:
                    self._make(transport, plan, run)
                except (NameTaken, UsedBefore):  # by a driver elsewhere, whose mark is there
                    was_begun = True
            if was_begun and not was_launched(transport, transport.states(handle)):
                transport.remove(handle)
                self._make(transport, plan, run)
            backend.mark.write(run.folder, {**mark, "begun": True})
        return handle

    def _make(self, transport: Transport, plan: Plan, run: RunSpec) -> None:
        import secrets

        from .node_payload import node_payload
        from .node_start import launch_order, start_nodes

        made = self.backend.create(transport, plan, run)
        fill = node_payload(plan.request, run, secrets.token_hex(32))
        variables = {**run.variables, "TRAINING_RUN_ID": run.run_id, "TRAINING_ATTEMPT": str(run.attempt)}
        variables |= {"TRAINING_STORE_ID": run.store} if run.store else {}
        order = launch_order(_REQUEST, variables)
        start_nodes(
            transport,
            made,
            plan.request,
            fill,
            order,
            lambda node: self.backend.require_own_node(transport, node, run),
        )

    def observe(self, compute: ComputeReference, handles: Sequence[Handle]) -> Mapping[Handle, Observation]:
        """See `Target.observe`.

        Raises:
            StoreError: that an attempt is over cannot be noted on this machine.
        """
        return observe(self.backend, compute, handles)

    def mirror(self, compute: ComputeReference, handle: Handle, folder: Path) -> bool:
        """Follows the streams of the nodes, which write into the attempt's folder; see `Target.mirror`."""
        return mirror(self.backend, compute, replace(handle, folder=str(folder)))

    def release(self, handles: Iterable[Handle]) -> None:
        """Ends the streams."""
        for handle in handles:
            let_go(handle.folder)

    def amend(self, compute: ComputeReference, handle: Handle, document: Mapping[str, object]) -> None:
        """Limits reach the agent through its launch request, which it reads again when it changes."""
        backend = self.backend
        mark = backend.mark_of(handle)
        if _is_over(handle, mark) or not (address := backend.address_of_attempt(compute, handle, mark)):
            return
        from ...launch.request import Limits
        from .agent_commands import rewrite_limits

        with backend.reaching(address) as transport:
            found = transport.states(handle)
            mark = mark or backend.learn_mark(transport, handle, address, found)
            if 0 in found and found[0].is_running and mark.get("begun"):
                rewrite_limits(transport, found[0].id, mark["agent"][0], Limits.of_job(document))

    def cancel(self, compute: ComputeReference, handle: Handle, grace: float) -> None:
        """See `Target.cancel`. From whichever machine: what this one's folder does not know is asked of the backend."""
        backend = self.backend
        mark = backend.mark_of(handle)
        if _is_over(handle, mark) or not (address := backend.address_of_attempt(compute, handle, mark)):
            return
        from .agent_commands import keep_links
        from .collect import end_nodes

        with backend.reaching(address) as transport:
            found = transport.states(handle)
            if not found:
                backend.require_own(handle, address)
            mark = mark or backend.learn_mark(transport, handle, address, found)
            has_ended = self._stop(transport, handle, found, grace)
            if backend.mark_of(handle) and not has_ended:
                note_killed(Path(handle.folder))
            found = transport.states(handle)
            if mark:
                keep_links(transport, found.values(), mark)
            end_nodes(backend, transport, handle, found.values(), mark, has_last_word=has_ended)
            left = [s.name for s in transport.states(handle).values() if s.is_running]
            if left and (transport.reads_ended or not has_ended):
                raise TransientError(f"{', '.join(left)} still run")

    def _stop(
        self, transport: Transport, handle: Handle, found: Mapping[int, NodeState], grace: float
    ) -> bool:
        """Has the agent of a launched attempt stop its ranks; whether it has said its last word."""
        from .agent_commands import stop

        if 0 not in found or not found[0].is_running or not was_launched(transport, found):
            return False
        stop(transport, found[0].id, grace)
        deadline = time.monotonic() + grace + _PATIENCE_SECONDS
        while time.monotonic() < deadline:
            if transport.peek(found[0].id, _END) is not None:
                return True
            if not any(state.is_running for state in transport.states(handle).values()):
                return False
            time.sleep(_LOOK_SECONDS)
        return False

    def collect(self, compute: ComputeReference, handle: Handle, run: RunSpec, tell: Tell) -> None:
        """Brings outputs, logs and facts, removes what is at the backend, and delivers named outputs."""
        backend = self.backend
        mark = backend.mark.read(run.folder)
        if not mark and (address := backend.address_of_attempt(compute, handle, mark)):
            with backend.reaching(address) as transport:
                mark = backend.learn_mark(transport, handle, address, transport.states(handle))
        if not mark.get("begun"):
            return
        from .collect import collect_and_remove, deliver

        if not mark.get("removed"):
            with backend.talking(backend.address_in(mark)) as transport:
                collect_and_remove(backend, transport, handle, run, tell)
        deliver(backend, run, tell)

    def remove(self, compute: ComputeReference, handle: Handle) -> None:
        """Removes nodes and what they stand on, and the copy of the source.

        What they wrote and nobody brought yet comes into the attempt's folder first, where there is one. Where nothing
        was submitted, or all of it is removed, no backend is asked.
        """
        from .collect import forget, rescue

        backend = self.backend
        mark = backend.mark_of(handle)
        address = backend.address_of_attempt(compute, handle, mark)
        if address and not mark.get("removed"):
            if not mark.get("brought"):
                self.cancel(compute, handle, 0.0)
                mark = backend.mark_of(handle)
            with backend.reaching(address) as transport:
                if mark and not mark.get("brought"):
                    mark = rescue(backend, transport, handle, mark)
                transport.remove(handle)
            if mark:
                backend.mark.write(Path(handle.folder), {**mark, "removed": True})
        let_go(handle.folder)
        if handle.folder:
            forget(Path(handle.folder))


def _is_over(handle: Handle, mark: Mapping[str, object]) -> bool:
    """Whether this machine saw its end."""
    return bool(mark.get("removed")) or bool(mark and Conclusion.read(Path(handle.folder)) is not None)


def _mark_of(plan: Plan, address: Mapping[str, str]) -> dict[str, Any]:
    launch = plan.request["launch"]
    return {
        **address,
        "run_id": plan.run_id,
        "attempt": plan.attempt,
        "nodes": [node["name"] for node in plan.request["nodes"]],
        "ranks": launch["node_count"] * launch["process_count_per_node"],
        "agent": list(plan.request["agent"]),
        "begun": False,
        **({"named": named} if (named := named_parts(plan.request.get("folders") or ())) else {}),
    }
