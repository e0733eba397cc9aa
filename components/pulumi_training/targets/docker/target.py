"""The Docker target: images by the daemon, a container per node, MPI across them through the agent.

1. Nothing assumes that the daemon shares this machine's files: what a node needs comes by its standard input or
   the archive API, so a daemon on another machine works as one beside us does.
2. Objects are named by run id and attempt and labelled; what a crash left half made is removed and made anew,
   what was launched is adopted.
3. No secret is in a container's settings, which everybody at the daemon can read: the run's own is in its
   volume, the script's come with the launch and live in processes only.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...launch.request import Limits
from ...record.staging import state_folder
from ...spec.errors import TrainingError, TransientError
from ..containers import names
from ..containers.conclusion import Conclusion, note_killed
from ..containers.data_layout import fetch_inputs
from ..containers.node_layout import FOLDER
from ..containers.node_payload import node_payload
from ..containers.tar_upload import Upload
from ..contract.capabilities import Amends, BuildsImages, Queues
from ..contract.handle import ComputeReference, Handle
from ..contract.observation import Observation
from ..contract.plan import Plan
from ..contract.run import Prepared, RunSpec
from ..contract.target import Target, Tell
from ..slots import Ticket, me
from ..withheld import is_withheld
from . import filters, known_daemons, nodes
from .address import address_of
from .engine import require_gpus
from .follow import let_go
from .handover import Line, UsedBefore, launch_order
from .links import named_parts
from .locate import (
    daemon_of,
    learn_mark,
    mark_of,
    reaching,
    require_own_daemon,
    talking,
    was_launched,
    written,
)
from .mark import MARK
from .observe import mirror, observe
from .slots import Slots

if TYPE_CHECKING:
    import docker

_END = f"{FOLDER}/launch/end.json"
_LOOK_SECONDS = 0.2
_PATIENCE_SECONDS = 15.0


class DockerTarget(Target, Queues, Amends, BuildsImages):
    """See `Target` and its capabilities."""

    name = "docker"
    leaves = "containers"
    submits_by_requests = True
    libraries = (
        "docker.errors",
        "docker.tls",
        "docker.utils.build",
        "requests.exceptions",
        "urllib3.exceptions",
        "python_on_whales.exceptions",
    )

    def prepare(self, run: RunSpec, tell: Tell) -> Prepared:
        """Builds or pulls the image, or finds it, and brings the data to this machine."""
        from .prepare import prepare

        address = address_of(run.compute_reference.settings)
        with talking(address) as client:
            prepared = prepare(client, address, run, tell)
        data = fetch_inputs(run, tell)
        settings = {**prepared.settings, **{f"data.{name}": path for name, path in data.items()}}
        return Prepared(settings, data, prepared.digest, prepared.packages, prepared.warnings)

    def find_prepared(self, run: RunSpec) -> Prepared | None:
        """The image, where the daemon has it already and no data must be brought.

        A daemon that does not answer has told nothing: a preview goes on without.
        """
        if run.job.inputs:
            return None
        from .prepare import find_prepared

        try:
            address = address_of(run.compute_reference.settings)
            with talking(address) as client:
                return find_prepared(client, address, run)
        except TransientError:
            return None

    def plan(self, run: RunSpec, prepared: Prepared | None) -> Plan:
        """The containers and the launch request."""
        from .plan import plan

        return plan(run, prepared)

    def enter(self, plan: Plan, run: RunSpec) -> int | None:
        """See `Queues.enter`."""
        return _slots(run.compute, run.store).enter(
            run.run_id, run.attempt, plan.slots, plan.gpus, me(), run.folder
        )

    def leave(self, run: RunSpec) -> None:
        """See `Queues.leave`."""
        _slots(run.compute, run.store).leave(run.run_id, run.attempt, run.folder)

    def submit(self, plan: Plan, run: RunSpec) -> Handle:
        """Makes the containers and launches, unless that was done before."""
        mark = MARK.read(run.folder)
        address = {name: mark[name] for name in ("docker_host", "tls") if name in mark}
        address = address or written(run.compute_reference)
        handle = Handle.of("docker", run, address)
        if mark.get("begun"):
            return handle
        ticket = _slots(run.compute, run.store).held(run.run_id, run.attempt, run.folder)
        with talking(address) as client:
            was_begun = bool(mark)
            mark = {**_mark_of(plan, address), **({"store": run.store} if run.store else {})}
            MARK.write(run.folder, mark)
            if not is_withheld(address):
                known_daemons.remember(address)
            if not was_begun:
                try:
                    self._make(client, plan, run, ticket, address)
                except (nodes.NameTaken, UsedBefore):  # by a driver elsewhere, whose mark is there
                    was_begun = True
            if was_begun and not was_launched(client, nodes.states(client, handle)):
                nodes.remove(client, handle)
                self._make(client, plan, run, ticket, address)
            MARK.write(run.folder, {**mark, "begun": True})
        return handle

    def _make(
        self,
        client: docker.DockerClient,
        plan: Plan,
        run: RunSpec,
        ticket: Ticket | None,
        address: Mapping[str, str],
    ) -> None:
        require_gpus(client, address, plan.gpus)
        made = nodes.create(client, plan, run, ticket.gpus if ticket else ())
        fill = node_payload(plan.request, run, secrets.token_hex(32))
        variables = {**run.variables, "TRAINING_RUN_ID": run.run_id, "TRAINING_ATTEMPT": str(run.attempt)}
        variables |= {"TRAINING_STORE_ID": run.store} if run.store else {}
        order = launch_order(f"{FOLDER}/launch/launch.json", variables)
        is_alone = len(made) == 1
        with ExitStack() as lines:

            def start(item: tuple[str, Mapping[str, Any]]) -> Line:
                container, node = item
                line = Line(client, container, node["name"])
                lines.callback(line.close)

                def fill_own(into: Upload) -> None:
                    nodes.require_own_volume(client, node, run)  # while it starts: nothing is written yet
                    fill(into)

                line.start(fill_own, plan.request.get("owner"), order if is_alone else b"")
                return line

            started = nodes.together(start, list(zip(made, plan.request["nodes"], strict=True)))
            if not is_alone:
                started[0].order(order)

    def observe(self, compute: ComputeReference, handles: Sequence[Handle]) -> Mapping[Handle, Observation]:
        """See `Target.observe`.

        Raises:
            StoreError: that an attempt is over cannot be noted on this machine.
        """
        return observe(compute, handles)

    def mirror(self, compute: ComputeReference, handle: Handle, folder: Path) -> bool:
        """Follows the streams of the nodes, which write into the attempt's folder; see `Target.mirror`."""
        return mirror(compute, replace(handle, folder=str(folder)))

    def release(self, handles: Iterable[Handle]) -> None:
        """Ends the streams."""
        for handle in handles:
            let_go(handle.folder)

    def amend(self, compute: ComputeReference, handle: Handle, document: Mapping[str, Any]) -> None:
        """Limits reach the agent through its launch request, which it reads again when it changes."""
        mark = mark_of(handle)
        if _is_over(handle, mark) or not (address := daemon_of(compute, handle, mark)):
            return
        from .orders import rewrite_limits

        with reaching(address) as client:
            found = nodes.states(client, handle)
            mark = mark or learn_mark(client, handle, address, found)
            if 0 in found and found[0].is_running and mark.get("begun"):
                with nodes.ended_meanwhile(client, found[0].id):
                    rewrite_limits(client, found[0].id, mark["agent"][0], Limits.of_job(document))

    def cancel(self, compute: ComputeReference, handle: Handle, grace: float) -> None:
        """See `Target.cancel`. From whichever machine: what this one's folder does not know is asked of the daemon."""
        mark = mark_of(handle)
        if _is_over(handle, mark) or not (address := daemon_of(compute, handle, mark)):
            return
        from .fetch import read_file
        from .links import keep
        from .orders import stop

        with reaching(address) as client:
            found = nodes.states(client, handle)
            if not found:
                require_own_daemon(handle, address)
            mark = mark or learn_mark(client, handle, address, found)
            has_ended = False
            if 0 in found and found[0].is_running and was_launched(client, found):
                stop(client, found[0].id, grace)
                deadline = time.monotonic() + grace + _PATIENCE_SECONDS
                while time.monotonic() < deadline and not has_ended:
                    has_ended = read_file(client, found[0].id, _END) is not None
                    found = nodes.states(client, handle)
                    if has_ended or not any(state.is_running for state in found.values()):
                        break
                    time.sleep(_LOOK_SECONDS)
            if mark_of(handle) and not has_ended:
                note_killed(Path(handle.folder))
            if mark:
                keep(client, found.values(), mark)
            nodes.kill(client, found.values())
            left = [s.name for s in nodes.states(client, handle).values() if s.is_running]
        if left:
            raise TransientError(f"{', '.join(left)} still run")

    def collect(self, compute: ComputeReference, handle: Handle, run: RunSpec, tell: Tell) -> None:
        """Brings outputs, logs and facts, removes what is at the daemon, and delivers named outputs."""
        mark = MARK.read(run.folder)
        if not mark and (address := daemon_of(compute, handle, mark)):
            with reaching(address) as client:
                mark = learn_mark(client, handle, address, nodes.states(client, handle))
        if not mark.get("begun"):
            return
        from .collect import bring_home, deliver

        if not mark.get("removed"):
            with talking(mark) as client:
                bring_home(client, handle, run, tell)
        deliver(run, tell)

    def remove(self, compute: ComputeReference, handle: Handle) -> None:
        """Removes containers, volumes and the network, and the copy of the source.

        What they wrote and nobody brought yet comes into the attempt's folder first, where there is one. Where nothing
        was submitted, or all of it is removed, no daemon is asked.
        """
        from .collect import forget, rescue

        mark = mark_of(handle)
        address = daemon_of(compute, handle, mark)
        if address and not mark.get("removed"):
            if not mark.get("brought"):
                self.cancel(compute, handle, 0.0)
                mark = mark_of(handle)
            with reaching(address) as client:
                if mark and not mark.get("brought"):
                    mark = rescue(client, handle, mark)
                nodes.remove(client, handle)
            if mark:
                MARK.write(Path(handle.folder), {**mark, "removed": True})
        let_go(handle.folder)
        if handle.folder:
            forget(Path(handle.folder))

    def leftovers(self, compute: ComputeReference | None, tell: Tell) -> Iterable[Handle]:
        """The attempts that have containers, volumes or networks: at the cluster's daemon, or a place in its queue, and
        without a cluster at every daemon that was used from here."""
        if compute is not None:
            yield from _of_workspace(compute)
            return
        for address in known_daemons.used():
            try:
                with talking(address) as client:
                    found = nodes.left(client)
            except TrainingError as error:
                tell(error.message)
                continue
            for run_id, attempt, identity, folder in sorted(found):
                yield Handle("docker", run_id, attempt, folder, address, identity)


def _of_workspace(compute: ComputeReference) -> Iterable[Handle]:
    tickets = _slots(compute.document, compute.store).tickets()
    seen = {(t.run_id, t.attempt, compute.store, t.folder) for t in tickets}
    address = written(compute)
    with reaching(address) as client:
        lines = client.api.containers(all=True, filters=filters.of_workspace(compute.document, compute.store))
        seen |= {names.key_of(line["Labels"]) for line in lines if names.are_ours(line.get("Labels"))}
    for run_id, attempt, identity, folder in sorted(seen):
        yield Handle("docker", run_id, attempt, folder, address, identity)


def _is_over(handle: Handle, mark: Mapping[str, Any]) -> bool:
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


def _slots(compute: Mapping[str, Any], store: str) -> Slots:
    return Slots.of(compute, state_folder(), store)
