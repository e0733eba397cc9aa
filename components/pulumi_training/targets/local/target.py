"""The local target: environments by uv, slots shared by all processes, the agent as a child of the supervisor.

1. Nodes are labels: one `mpirun` with one daemon starts every rank, because two daemons on one machine hang or
   abort (measured with Open MPI 5.0.11). Killing a node means killing its group of ranks.
2. Runs of one cluster get slots first come, first served, whatever process they come from.
3. Not promised: that a run survives a reboot. Its record does, and the next `pulumi up` starts an attempt.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import socket
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...agent.package import install
from ...environment import cache
from ...launch.request import MASTER_PORT, Limits
from ...record.files import write_whole
from ...record.staging import state_folder
from ...spec.document import parse_object
from ...spec.errors import PermanentError, TransientError
from ...spec.outcome import Reason
from ..contract.capabilities import Amends, Queues
from ..contract.handle import ComputeReference, Handle
from ..contract.observation import Observation
from ..contract.plan import Plan
from ..contract.run import Prepared, RunSpec
from ..contract.target import Target, Tell
from . import agent_process, last_words
from .observe import observe
from .slots import Slots, Ticket, me
from .surroundings import inherited, with_interpreter

if TYPE_CHECKING:
    from ...environment.local_environment import LocalEnvironment

# The supervisor submits and watches with what is imported here; what needs the job's model (a quarter second
# of imports) is imported by the methods that build it.


log = logging.getLogger(__name__)
_WARNING = "warning: "
_SHOWN = ("launch", "ranks", "metrics", "logs")
"""What of an attempt is read while it lives."""


class LocalTarget(Target, Queues, Amends):
    """See `Target` and its capabilities."""

    name = "local"
    leaves = "processes"

    def prepare(self, run: RunSpec, tell: Tell) -> Prepared:
        """Builds the virtual environment, or finds it, and brings the data."""
        from ...data.mount import materialise, place_outputs
        from ...environment import local

        spec, source = _environment_of(run)
        environment = local.ensure(
            spec,
            source=source,
            needs_mpi=run.job.is_distributed,
            needs_mpi4py=_needs_mpi4py(run),
            progress=tell,
        )
        warnings: list[str] = []

        def show(line: str) -> None:
            # What the data layer has to say beside progress is for the record, not only for the row.
            if line.startswith(_WARNING):
                warnings.append(line.removeprefix(_WARNING))
            tell(line)

        data = materialise(run.job.inputs, run.code, show, base=run.base)
        data |= place_outputs(run.job.outputs, run.code, show, base=run.base)
        return _prepared(environment, data=data, warnings=tuple(warnings))

    def find_prepared(self, run: RunSpec) -> Prepared | None:
        """The environment, where it is built already and no data must be brought."""
        if run.job.inputs or run.job.outputs:
            return None
        from ...environment import local

        spec, source = _environment_of(run)
        environment = local.find(
            spec, source, needs_mpi=run.job.is_distributed, needs_mpi4py=_needs_mpi4py(run)
        )
        return _prepared(environment) if environment else None

    def plan(self, run: RunSpec, prepared: Prepared | None) -> Plan:
        """The launch request."""
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
        """Starts `agent run`, unless it runs or ran."""
        handle = Handle.of("local", run)
        # Beside the environments and not among them: pruning those would take it from under a live run.
        agent = [sys.executable, "-I", "-S", str(install(cache.root().parent / "agent"))]
        ticket = _slots(run.compute, run.store).held(run.run_id, run.attempt, run.folder)
        request = {
            **plan.request,
            "agent": agent,
            "limits": dict(Limits.of_job(run.document).__dict__),  # they may have changed in the queue
            "spare_folder": str(last_words.spare_folder(run.folder)),
            **_found_at_submission(plan, ticket, run.tracking),
        }
        path = run.folder / "launch" / "launch.json"
        if not agent_process.is_live(run.folder) and not agent_process.was_launched(run.folder):
            write_whole(path, json.dumps(request, indent=1).encode(), durable=False)
        environment = {
            **inherited(),
            **run.variables,
            "TRAINING_RUN_ID": run.run_id,
            "TRAINING_ATTEMPT": str(run.attempt),
            "TRAINING_OUTPUT_DIR": f"{run.folder}/outputs",
            **({"TRAINING_STORE_ID": run.store} if run.store else {}),
        }
        prefix = Path(plan.request["prefix"])
        environment = with_interpreter(environment, prefix / "bin")
        agent_process.start(run.folder, [*agent, "run", "--request", str(path)], environment, prefix)
        return handle

    def observe(self, compute: ComputeReference, handles: Sequence[Handle]) -> Mapping[Handle, Observation]:
        """See `Target.observe`. A process that survives SIGKILL keeps the answer of its attempt away."""
        return {handle: _observed(handle) for handle in handles}

    def mirror(self, compute: ComputeReference, handle: Handle, folder: Path) -> bool:
        """Nothing to do: an attempt writes into its folder itself. Only where that is of another state folder of this
        machine, what it wrote is copied from there."""
        place = agent_process.place_of(handle)
        if place != folder:
            from .other_folder import copy_new

            copy_new(place, folder, _SHOWN)
        return True

    def amend(self, compute: ComputeReference, handle: Handle, document: Mapping[str, object]) -> None:
        """Limits reach the agent through its launch request, which it reads again when it changes."""
        path = agent_process.place_of(handle) / "launch" / "launch.json"
        if not path.exists():
            if handle.driven_on:
                log.warning("limits stay as they were: %s", agent_process.words_of_elsewhere(handle))
            return
        request = parse_object(path.read_bytes(), str(path))
        request["limits"] = dict(Limits.of_job(document).__dict__)
        write_whole(path, json.dumps(request, indent=1).encode(), durable=False)

    def cancel(self, compute: ComputeReference, handle: Handle, grace: float) -> None:
        """See `Target.cancel`."""
        agent_process.stop(handle, grace)

    def collect(self, compute: ComputeReference, handle: Handle, run: RunSpec, tell: Tell) -> None:
        """Delivers named outputs; `./outputs` and `./logs` are in the attempt's folder already.

        What their links lead to is kept where it is in the attempt's folder too: the copy of the source, where scripts
        leave what they work with, is taken away.
        """
        from ...agent.keep import PARTS, keep

        place = agent_process.place_of(handle)
        if place != run.folder:
            from .other_folder import copy_new

            copy_new(place, run.folder, (*_SHOWN, "outputs", *(("code",) if run.document["outputs"] else ())))
        if not run.document["outputs"]:
            keep(str(run.folder), list(PARTS), owns=False)
            return
        from ...data.mount import deliver, delivered

        named = delivered(run.job.outputs, run.code, base=run.base)
        own = [os.path.relpath(place, run.folder) for place in named.values()]
        keep(str(run.folder), [*PARTS, *own], owns=False)
        deliver(run.job.outputs, run.code, tell, base=run.base)

    def remove(self, compute: ComputeReference, handle: Handle) -> None:
        """Ends what is left of the processes and takes the copy of the source away."""
        from ...environment.mirror import FOLDER as ENVIRONMENT_FOLDER

        agent_process.stop(handle, 0.0)
        for folder in filter(None, dict.fromkeys((handle.folder, handle.began_in))):
            last_words.recover(Path(folder))
            for name in ("code", ENVIRONMENT_FOLDER):
                shutil.rmtree(Path(folder) / name, ignore_errors=True)

    def leftovers(self, compute: ComputeReference | None, tell: Tell) -> Iterable[Handle]:
        """The attempts that have live processes on this machine, and those with a place in a cluster's queue."""
        from . import processes

        if compute is not None:
            tickets = _slots(compute.document, compute.store).tickets()
            queued = {(t.run_id, t.attempt, compute.store, t.folder) for t in tickets}
            for key in sorted(queued | set(processes.find_all())):
                yield _handle(*key)
            return
        for key, found in processes.find_all().items():
            if any(processes.is_of_this_machine(process) for process in found):
                yield _handle(*key)


def _observed(handle: Handle) -> Observation:
    try:
        return observe(handle)
    except TransientError as error:
        return Observation.unanswered(error.message)


def _handle(run_id: str, attempt: int, store: str, folder: str) -> Handle:
    return Handle("local", run_id, attempt, folder, store=store)


def _environment_of(run: RunSpec) -> tuple[Any, Path]:
    """What to install, and the folder its files are relative to."""
    from ...environment.beside import environment_of
    from ...spec.environment import EnvironmentSpec

    ref = run.job.environment_ref
    if ref is not None:
        return ref.spec, (run.base / ref.source_directory).resolve()
    root = (run.base / run.job.source_directory).resolve()
    return environment_of(run.job.environment or EnvironmentSpec(), root, run.folder)


def _needs_mpi4py(run: RunSpec) -> bool:
    """Scripts are started by `python -m mpi4py`, so that an exception aborts all ranks; commands are not."""
    return run.document["distributedBackend"] == "mpi" and run.document["entryScript"] is not None


def _prepared(
    environment: LocalEnvironment, data: Mapping[str, str] | None = None, warnings: tuple[str, ...] = ()
) -> Prepared:
    settings = {"python": str(environment.python)}
    if environment.mpirun is not None and environment.mpi is not None:
        settings |= {"mpirun": str(environment.mpirun), "mpi": environment.mpi}
    return Prepared(
        settings, data or {}, environment.digest, environment.packages, (*environment.warnings, *warnings)
    )


def _slots(compute: Mapping[str, object], store: str) -> Slots:
    return Slots.of(compute, state_folder(), store)


def _found_at_submission(plan: Plan, ticket: Ticket | None, tracking: Mapping[str, str]) -> dict[str, Any]:
    port = _free_port()
    environment = {
        name: value.replace(f":{MASTER_PORT}", f":{port}") if name == "AZ_BATCH_MASTER_NODE" else value
        for name, value in plan.request["environment"].items()
    }
    found: dict[str, Any] = {"master_port": port, "environment": {**environment, **tracking}}
    if ticket is not None and ticket.gpus:
        ranks = plan.request["node_count"] * plan.request["process_count_per_node"]
        if len(ticket.gpus) < ranks:
            from ...spec.text import count

            raise PermanentError(
                Reason.LAUNCH_FAILED,
                f"{count(len(ticket.gpus), 'GPU')} cannot be given to {count(ranks, 'process', 'processes')}",
            )
        share = len(ticket.gpus) // ranks
        found["gpus"] = [list(ticket.gpus[r * share : (r + 1) * share]) for r in range(ranks)]
    return found


def _free_port() -> int:
    """A port of loopback that nobody uses now; the ranks take it a moment later."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
