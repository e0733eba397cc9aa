"""The Docker daemon of an attempt: where it is, what this machine has for it, and how nodes are made there."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...record.staging import state_folder
from ...record.store import StoreError
from ...spec.errors import SpecError, TransientError
from ..containers.backend import Backend
from ..containers.mark import MarkFile
from ..withheld import withheld
from . import known_daemons
from .address import address_of
from .engine import connect
from .transport import DockerTransport

if TYPE_CHECKING:
    from ..containers.transport import Address
    from ..contract.handle import ComputeReference, Handle
    from ..contract.plan import Plan
    from ..contract.run import RunSpec

MARK = MarkFile("docker")
_PARTS = ("docker_host", "tls")


class DockerBackend(Backend[DockerTransport]):
    """See `Backend`."""

    mark = MARK
    lost = "removed at the daemon"

    def connect(self, address: Address) -> DockerTransport:
        """See `Backend.connect`."""
        return DockerTransport(connect(address), address)

    def address_in(self, known: Mapping[str, Any]) -> dict[str, str]:
        """See `Backend.address_in`."""
        return {name: known[name] for name in _PARTS if name in known}

    def address_of(self, compute: ComputeReference) -> dict[str, str]:
        """The address of the cluster's daemon as it may be written: what of it is secret by its name only.

        Raises:
            SpecError: there is no such docker context, or it cannot be read.
            TransientError: a part of it is a secret that this process was not given.
        """
        recorded = compute.recorded_settings
        hidden = {"docker_host": recorded.get("dockerHost"), "tls": recorded.get("tls")}
        return withheld(address_of(compute.settings), hidden, compute.run_id)

    def address_from_here(self, compute: ComputeReference, known: dict[str, str]) -> dict[str, str]:
        """A recorded address, with the certificates that this machine has for it: their folder is each machine's own."""
        if "tls" not in known or Path(known["tls"]).is_dir():
            return known
        with suppress(SpecError, TransientError, StoreError):
            own = self.address_of(compute)
            if own.get("docker_host") == known["docker_host"] and "tls" in own:
                return own
        return known

    def require_own(self, handle: Handle, address: Address) -> None:
        """Raises `TransientError` where a daemon that has nothing of an attempt of another machine may be another one.

        A socket of this machine leads to this machine's daemon, whichever machine recorded it.
        """
        host = address["docker_host"]
        if handle.driven_on and host.startswith(("unix:", "npipe:")):
            raise TransientError(
                f"attempt {handle.attempt} of run {handle.run_id} was started on machine {handle.driven_on}, at the Docker "
                f"daemon of its {host}, and this machine's has nothing of it: `pulumi-training cancel {handle.run_id}` stops "
                "it there, or set compute.settings.dockerHost to an address that reaches that daemon from here. If that "
                f"machine is gone for good, say so: `pulumi-training cancel {handle.run_id} --machine-gone`"
            )

    def remember(self, address: Address) -> None:
        """See `Backend.remember`."""
        known_daemons.remember(address)

    def create(self, transport: DockerTransport, plan: Plan, run: RunSpec) -> list[str]:
        """See `Backend.create`; the GPUs are those that the attempt holds in its queue."""
        from .slots import Slots

        ticket = Slots.of(run.compute, state_folder(), run.store).held(run.run_id, run.attempt, run.folder)
        return transport.create(plan, run, ticket.gpus if ticket else ())

    def require_own_node(self, transport: DockerTransport, node: Mapping[str, object], run: RunSpec) -> None:
        """See `Backend.require_own_node`."""
        transport.require_own_volume(node, run)


BACKEND = DockerBackend()
