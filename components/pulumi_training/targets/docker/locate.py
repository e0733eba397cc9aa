"""Where an attempt is: its daemon, and what this machine must know of it, found at the daemon where it is not known here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...record.store import StoreError
from ...spec.document import object_or_none
from ...spec.errors import PermanentError, SpecError, TransientError
from ..containers import names
from ..containers.node_layout import FOLDER
from ..contract.handle import ComputeReference, Handle
from ..withheld import withheld
from .address import address_of
from .engine import asking, connect
from .fetch import read_file
from .mark import MARK
from .nodes import NodeState

if TYPE_CHECKING:
    import docker

_LOCK = f"{FOLDER}/launch/agent.lock"


def mark_of(handle: Handle) -> dict[str, Any]:
    """What this machine's folder knows of the attempt; {} where nothing was submitted from it."""
    return MARK.read(Path(handle.folder)) if handle.folder else {}


def daemon_of(compute: ComputeReference, handle: Handle, mark: Mapping[str, Any]) -> dict[str, str]:
    """The address of the attempt's daemon; empty where nothing was submitted.

    This machine's mark says it, else what was recorded at submission. Where a submission may have come to no record,
    on another machine, it is the cluster's.

    Raises:
        TransientError: the cluster's address is a secret that this process was not given, or cannot be made out.
    """
    known = _address_in(mark) or _address_in(handle.settings)
    if known:
        return known if mark else _with_own_certificates(compute, known)
    return written(compute) if handle.driven_on else {}


def written(compute: ComputeReference) -> dict[str, str]:
    """The address of the cluster's daemon as it may be written: what of it is secret by its name only.

    Raises:
        SpecError: there is no such docker context, or it cannot be read.
        TransientError: a part of it is a secret that this process was not given.
    """
    recorded = compute.recorded_settings
    hidden = {"docker_host": recorded.get("dockerHost"), "tls": recorded.get("tls")}
    return withheld(address_of(compute.settings), hidden, compute.run_id)


@contextmanager
def talking(address: Mapping[str, str]) -> Iterator[docker.DockerClient]:
    """A client of a daemon; what goes wrong between us and it becomes one of our errors."""
    client = connect(address)
    try:
        with asking(address):
            yield client
    finally:
        client.close()


@contextmanager
def reaching(address: Mapping[str, str]) -> Iterator[docker.DockerClient]:
    """`talking` to the daemon of an attempt that was submitted: that this machine lacks what it needs for that, as the
    SDK or the certificates, tells nothing of the attempt, and is worth another try once it has them.

    Raises:
        TransientError: nobody answers, or this machine cannot ask.
    """
    try:
        client = connect(address)
    except (SpecError, PermanentError) as error:
        raise TransientError(error.message) from error
    try:
        with asking(address):
            yield client
    finally:
        client.close()


def was_launched(client: docker.DockerClient, found: Mapping[int, NodeState]) -> bool:
    """Whether scripts may have been started: the agent's lock is in node 0."""
    return 0 in found and read_file(client, found[0].id, _LOCK) is not None


def require_own_daemon(handle: Handle, address: Mapping[str, str]) -> None:
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


def learn_mark(
    client: docker.DockerClient, handle: Handle, address: Mapping[str, str], found: Mapping[int, NodeState]
) -> dict[str, Any]:
    """The mark of an attempt that was submitted from another folder, read out of its containers; {} where there are none.

    It is kept in the attempt's folder, where there is one. What node 0 alone can tell is missing where that is gone.
    """
    if not found:
        return {}
    first = found.get(0)
    text = read_file(client, first.id, f"{FOLDER}/launch/launch.json") if first is not None else None
    launch = object_or_none(text or b"") or {}
    config = client.api.inspect_container(next(iter(found.values())).id)["Config"]
    count = int(launch.get("node_count") or max(found) + 1)
    mark = {
        **address,
        "run_id": handle.run_id,
        "attempt": handle.attempt,
        "nodes": [
            found[node].name
            if node in found
            else names.object_name(handle.run_id, handle.attempt, node, store=handle.store)
            for node in range(count)
        ],
        "ranks": count * int(launch.get("process_count_per_node") or 1),
        "agent": [config["Entrypoint"][0], "-I", "-S", config["Cmd"][0]],
        "begun": was_launched(client, found),
        **({"store": handle.store} if handle.store else {}),
    }
    if handle.folder and Path(handle.folder).is_dir():
        MARK.write(Path(handle.folder), mark)
    return mark


def _with_own_certificates(compute: ComputeReference, known: dict[str, str]) -> dict[str, str]:
    """A recorded address, with the certificates that this machine has for it: their folder is each machine's own."""
    if "tls" not in known or Path(known["tls"]).is_dir():
        return known
    with suppress(SpecError, TransientError, StoreError):
        own = written(compute)
        if own.get("docker_host") == known["docker_host"] and "tls" in own:
            return own
    return known


def _address_in(known: Mapping[str, Any]) -> dict[str, str]:
    """The daemon's address among what is known of an attempt; empty where there is none."""
    return {name: known[name] for name in ("docker_host", "tls") if name in known}
