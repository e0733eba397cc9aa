"""The containers of an attempt, with their volumes and network: made, looked at, ended, removed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ...spec.errors import PermanentError
from ...spec.outcome import Reason
from ..containers import names
from ..containers.backend import NameTaken
from ..containers.node_layout import ROOT
from ..containers.transport import NodeState, together
from . import filters

if TYPE_CHECKING:
    import docker

    from ..contract.handle import Handle
    from ..contract.plan import Plan
    from ..contract.run import RunSpec


def create(client: docker.DockerClient, plan: Plan, run: RunSpec, gpus: Sequence[int]) -> list[str]:
    """Makes network, containers and with them the volumes of an attempt; nothing is started. Answers the containers' ids.

    A volume that has the name already is mounted, whoever's it is: see `require_own_volume`.

    Raises:
        PermanentError: the image is not there.
        NameTaken: something has a name already, of this attempt or not.
    """
    import docker.errors

    request = plan.request

    def one(node: Mapping[str, Any]) -> str:
        number = int(node["node"])
        labels = names.labels_of(run, number)
        share = len(gpus) // len(request["nodes"])
        return _create_one(client, request, node, labels, gpus[number * share : (number + 1) * share])

    try:
        if request["network"]:
            client.api.create_network(
                request["network"], driver="bridge", labels=names.labels_of(run), check_duplicate=True
            )
        return together(one, request["nodes"])
    except docker.errors.ImageNotFound as error:
        raise PermanentError(
            Reason.IMAGE_PULL_FAILED, f"image {request['image']} is not at the daemon any more"
        ) from error
    except docker.errors.APIError as error:
        if error.status_code == 409:
            raise NameTaken(
                Reason.LAUNCH_FAILED,
                f"a name is taken at the daemon: {error.explanation or error}. Where this store is a copy of another, "
                "`pulumi-training doctor` says what to do",
            ) from error
        raise


def require_own_volume(client: docker.DockerClient, node: Mapping[str, object], run: RunSpec) -> None:
    """Raises PermanentError where the volume of a node is not this attempt's."""
    found = client.api.inspect_volume(node["name"])
    if not names.is_of(found.get("Labels"), run):
        raise PermanentError(
            Reason.LAUNCH_FAILED, f"volume {node['name']} is there and belongs to somebody else; remove it"
        )


def _create_one(
    client: docker.DockerClient,
    request: Mapping[str, Any],
    node: Mapping[str, Any],
    labels: Mapping[str, str],
    gpus: Sequence[int],
) -> str:
    from ..containers.node_start import first_command, node_words

    wanted = request["container"]
    host: dict[str, Any] = {
        "Mounts": [
            {
                "Type": "volume",
                "Source": node["name"],
                "Target": ROOT,
                "VolumeOptions": {"Labels": dict(labels)},
            },
            *request["mounts"],
        ],
        "Tmpfs": dict(request.get("tmpfs") or {"/tmp": "exec,mode=1777"}),
        "ShmSize": wanted["shm_bytes"],
        "NetworkMode": request["network"] or "bridge",
        "RestartPolicy": {"Name": "no"},
    }
    if wanted["memory_bytes"] is not None:
        host |= {"Memory": wanted["memory_bytes"], "MemorySwap": wanted["memory_bytes"]}
    if wanted["nano_cpus"] is not None:
        host["NanoCpus"] = wanted["nano_cpus"]
    if wanted["ulimits"]:
        host["Ulimits"] = list(wanted["ulimits"])
    if gpus:
        host["DeviceRequests"] = [
            {"Driver": "nvidia", "DeviceIDs": [str(gpu) for gpu in gpus], "Capabilities": [["gpu"]]}
        ]
    config: dict[str, Any] = {
        "Image": request["image"],
        "Hostname": node["hostname"],
        "Entrypoint": first_command(request["agent"][0]),
        "Cmd": node_words(request, node),
        "OpenStdin": True,
        "StdinOnce": True,
        "Env": [f"{name}={value}" for name, value in request["environment"].items()],
        "Labels": dict(labels),
        "WorkingDir": "/",
        "HostConfig": host,
        "NetworkingConfig": {},
        "Healthcheck": {"Test": ["NONE"]},
    }
    if wanted["user"] is not None:
        config["User"] = wanted["user"]
    if request["network"]:
        config["NetworkingConfig"] = {
            "EndpointsConfig": {request["network"]: {"Aliases": [node["hostname"]]}}
        }
    made = client.api.create_container_from_config(config, name=node["name"])
    return str(made["Id"])


def states(client: docker.DockerClient, handle: Handle) -> dict[int, NodeState]:
    """Every container of an attempt by node; those that ended are looked at more closely."""
    return _by_node(client, _own(client.api.containers(all=True, filters=_filters(handle)), handle))


def states_of(client: docker.DockerClient, handles: Iterable[Handle]) -> dict[Handle, dict[int, NodeState]]:
    """`states` of many attempts, by one question."""
    of_run: dict[str, list[Mapping[str, Any]]] = {}
    for line in client.api.containers(all=True, filters={"label": [names.RUN]}):
        if names.are_ours(line.get("Labels")):
            of_run.setdefault(line["Labels"][names.RUN], []).append(line)

    def lines(handle: Handle) -> list[Mapping[str, Any]]:
        of_attempt = [
            line
            for line in of_run.get(handle.run_id, [])
            if line["Labels"][names.ATTEMPT] == str(handle.attempt)
        ]
        return _own(of_attempt, handle)

    return {handle: _by_node(client, lines(handle)) for handle in handles}


def _by_node(client: docker.DockerClient, lines: Iterable[Mapping[str, Any]]) -> dict[int, NodeState]:
    found: dict[int, NodeState] = {}
    for line in lines:
        labels = line.get("Labels") or {}
        state = NodeState(
            int(labels.get(names.NODE, 0)), line["Id"], line["Names"][0].lstrip("/"), line["State"]
        )
        found[state.node] = (
            state if state.is_running or state.status == "created" else _looked_at(client, state)
        )
    return found


def _looked_at(client: docker.DockerClient, state: NodeState) -> NodeState:
    import docker.errors

    try:
        document = client.api.inspect_container(state.id)["State"]
    except docker.errors.NotFound:
        return NodeState(state.node, state.id, state.name, "gone")
    return NodeState(
        state.node,
        state.id,
        state.name,
        document["Status"],
        document.get("ExitCode"),
        bool(document.get("OOMKilled")),
        _seconds(document.get("FinishedAt", "")),
    )


def of_workspace(
    client: docker.DockerClient, compute: Mapping[str, object], store: str
) -> set[tuple[str, int, str, str]]:
    """The attempts of a workspace that have containers, as `Handle.key` tells them."""
    lines = client.api.containers(all=True, filters=filters.of_workspace(compute, store))
    return {names.key_of(line["Labels"]) for line in lines if names.are_ours(line.get("Labels"))}


def left(client: docker.DockerClient) -> set[tuple[str, int, str, str]]:
    """The attempts that something at the daemon is of, from this user's state folder, as `Handle.key` tells them."""
    wanted = filters.of_user()
    labelled = [
        *client.api.containers(all=True, filters=wanted),
        *(client.api.volumes(filters=wanted).get("Volumes") or []),
        *client.api.networks(filters=wanted),
    ]
    return {names.key_of(each["Labels"]) for each in labelled if names.are_ours(each.get("Labels"))}


def kill(client: docker.DockerClient, found: Iterable[NodeState]) -> None:
    """Ends containers at once and returns when they have ended; those that ended before are no error."""

    def one(state: NodeState) -> None:
        with ended_meanwhile(client, state.id):
            client.api.kill(state.id)

    together(one, [state for state in found if state.is_running])


def remove(client: docker.DockerClient, handle: Handle) -> None:
    """Removes every container, volume and network of an attempt; what is gone already is no error."""
    import docker.errors

    wanted = _filters(handle)

    def container(line: Mapping[str, object]) -> None:
        with suppress(docker.errors.NotFound):
            client.api.remove_container(line["Id"], force=True, v=True)

    def volume(line: Mapping[str, object]) -> None:
        with suppress(docker.errors.NotFound):
            client.api.remove_volume(line["Name"], force=True)

    together(container, _own(client.api.containers(all=True, filters=wanted), handle))
    together(volume, _own(client.api.volumes(filters=wanted).get("Volumes") or [], handle))
    for network in _own(client.api.networks(filters=wanted), handle):
        with suppress(docker.errors.NotFound):
            client.api.remove_network(network["Id"])


def _filters(handle: Handle) -> dict[str, Any]:
    return filters.filters(handle.run_id, handle.attempt, handle.store)


def _own(lines: Iterable[Mapping[str, Any]], handle: Handle) -> list[Mapping[str, Any]]:
    return [line for line in lines if names.is_own(line.get("Labels"), handle)]


@contextmanager
def ended_meanwhile(client: docker.DockerClient, container: str) -> Iterator[None]:
    """Passes over what the daemon refuses because a container ended a moment ago; the next look at it tells more.

    Such a refusal has a status of its own (404, 409), but where the end came between a command's being made and its
    start: then it is the daemon's "internal error", and whether the container runs is asked.
    """
    import docker.errors

    try:
        yield
    except docker.errors.APIError as error:
        if error.status_code not in (404, 409) and _may_run(client, container):
            raise


def _may_run(client: docker.DockerClient, container: str) -> bool:
    import docker.errors

    try:
        status = client.api.inspect_container(container)["State"]["Status"]
    except docker.errors.NotFound:
        return False
    return status in ("created", "running", "paused", "restarting")


def _seconds(text: str) -> float | None:
    """Docker's times have nanoseconds, which `datetime` does not read."""
    if not text or text.startswith("0001-"):
        return None
    try:
        return datetime.fromisoformat(f"{text[:19]}+00:00").timestamp() + float(
            f"0{text[19:].rstrip('Z')}" or 0
        )
    except ValueError:
        return None
