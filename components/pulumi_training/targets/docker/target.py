"""The Docker target: images by the daemon, a container per node, MPI across them through the agent.

What all targets of containers do alike is `containers.target`; a daemon on another machine works as one beside us does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ...record.staging import state_folder
from ...spec.errors import TrainingError, TransientError
from ..containers.target import ContainerTarget
from ..contract.capabilities import Queues
from ..contract.handle import ComputeReference, Handle
from ..contract.plan import Plan
from ..contract.run import Prepared, RunSpec
from ..slots import me
from . import known_daemons
from .address import address_of
from .backend import BACKEND
from .engine import talking
from .slots import Slots

if TYPE_CHECKING:
    from ..contract.target import Tell


class DockerTarget(ContainerTarget, Queues):
    """See `ContainerTarget`, `Target` and its capabilities."""

    name = "docker"
    leaves = "containers"
    backend = BACKEND
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
        from ..containers.data_layout import fetch_inputs
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

    def leftovers(self, compute: ComputeReference | None, tell: Tell) -> Iterable[Handle]:
        """The attempts that have containers, volumes or networks: at the cluster's daemon, or a place in its queue, and
        without a cluster at every daemon that was used from here."""
        if compute is not None:
            yield from _of_workspace(compute)
            return
        for address in known_daemons.used():
            try:
                with BACKEND.talking(address) as transport:
                    found = transport.left()
            except TrainingError as error:
                tell(error.message)
                continue
            for run_id, attempt, identity, folder in sorted(found):
                yield Handle("docker", run_id, attempt, folder, address, identity)


def _of_workspace(compute: ComputeReference) -> Iterable[Handle]:
    tickets = _slots(compute.document, compute.store).tickets()
    seen = {(t.run_id, t.attempt, compute.store, t.folder) for t in tickets}
    address = BACKEND.address_of(compute)
    with BACKEND.reaching(address) as transport:
        seen |= transport.of_workspace(compute.document, compute.store)
    for run_id, attempt, identity, folder in sorted(seen):
        yield Handle("docker", run_id, attempt, folder, address, identity)


def _slots(compute: Mapping[str, object], store: str) -> Slots:
    return Slots.of(compute, state_folder(), store)
