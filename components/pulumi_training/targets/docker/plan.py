"""The exact containers and launch request of a run on Docker. Pure."""

from __future__ import annotations

import posixpath
from typing import Any

from ...launch.topology import Topology
from ...spec.text import count, topology
from ..containers.data_layout import Mount, layout
from ..containers.names import object_name
from ..containers.node_layout import (
    AGENT,
    AGENT_FOLDER,
    CODE,
    FOLDER,
    RESUME,
    ROOT_USER,
    SECRET_FILE,
    SHELL_FILE,
    host_name,
)
from ..contract.plan import UNKNOWN_PART, Plan
from ..contract.run import Prepared, RunSpec
from ..launching import Ground, gpus_of_node, launch_request
from .settings import container_settings


def plan(run: RunSpec, prepared: Prepared | None) -> Plan:
    """See `Target.plan`. What only submission can tell (which GPUs, the secret) is put in there."""
    job = run.job
    settings = prepared.settings if prepared else {}
    places = layout(job.inputs, job.outputs)
    data = dict(places.paths)
    python = settings.get("python", UNKNOWN_PART)
    agent = [python, "-I", "-S", AGENT]
    topology = Topology(job.node_count, job.process_count_per_node)
    is_single = job.node_count == 1
    container = container_settings(run.compute or {}, job.shm_size)
    ground = Ground(
        code=CODE,
        folder=FOLDER,
        data=data,
        as_root=True,
        slot_cores=_cores_of_slot(int(settings.get("cores", "1")), container.nano_cpus, topology),
        agent=agent,
        hosts=["localhost"] if is_single else [host_name(node) for node in range(job.node_count)],
        resume_from=RESUME if run.resume_from else None,
        gpus=_gpus_of_ranks(run),
        shell_file=SHELL_FILE,
        forwards_secrets=True,
    )
    launch = launch_request(run, settings, ground)
    copies = [
        {"from": settings.get(f"data.{name}", UNKNOWN_PART), "to": data[name]} for name in places.copied
    ]
    if run.resume_from:
        copies.append({"from": run.resume_from, "to": RESUME})
    path = settings.get("path", UNKNOWN_PART)
    owner = _owner_of(container.user if container.user is not None else settings.get("user", ""))
    document = {
        "image": settings.get("image", UNKNOWN_PART),
        "agent": agent,
        "python_version": settings.get("python_version", ""),
        "owner": owner,
        "tmpfs": {
            "/tmp": "exec,mode=1777",
            **({AGENT_FOLDER: "exec,mode=755"} if owner == ROOT_USER else {}),
        },
        "secret_file": SECRET_FILE,
        "network": None if is_single else object_name(run.run_id, run.attempt, store=run.store),
        "nodes": [
            {
                "node": node,
                "name": object_name(run.run_id, run.attempt, node, store=run.store),
                "hostname": host_name(node),
            }
            for node in range(job.node_count)
        ],
        "container": container.to_json(),
        "environment": {
            "PATH": f"{posixpath.dirname(python)}:{path}" if prepared else UNKNOWN_PART,
            **({"LD_LIBRARY_PATH": settings["libraries"]} if "libraries" in settings else {}),
        },
        "mounts": [_mounted(mount) for mount in places.mounts],
        "links": dict(places.links),
        "folders": list(places.folders),
        "copies": copies,
        "launch": launch.to_json(),
    }
    return Plan(
        "docker",
        run.run_id,
        run.attempt,
        document,
        slots=job.world_size,
        gpus=job.node_count * gpus_of_node(run),
        summary=_summary(job.node_count, job.process_count_per_node),
    )


def _mounted(mount: Mount) -> dict[str, Any]:
    """As the engine takes it."""
    return {
        "Type": "volume" if mount.kind == "volume" else "bind",
        "Source": mount.source,
        "Target": mount.target,
        "ReadOnly": mount.read_only,
    }


def _owner_of(user: str) -> list[int] | None:
    """Uid and gid of a container's user; None where the image names a user whose number only it knows."""
    if user in ("", "root", "root:root"):
        return ROOT_USER
    uid, _, gid = user.partition(":")
    if not uid.isdigit() or (gid and not gid.isdigit()):
        return None
    return [int(uid), int(gid or 0)]


def _gpus_of_ranks(run: RunSpec) -> list[list[int]]:
    """For each process of a node, its GPUs as numbered inside the container."""
    share = gpus_of_node(run) // run.job.process_count_per_node
    return [
        list(range(rank * share, (rank + 1) * share))
        for rank in range(run.job.process_count_per_node if share else 0)
    ]


def _cores_of_slot(cores: int, nano_cpus: int | None, topology: Topology) -> int:
    """An equal share of the machine's cores, or of the container's where it has a limit; at least one."""
    if nano_cpus is not None:
        return max(1, int(nano_cpus / 1e9) // topology.process_count_per_node)
    return max(1, cores // topology.world_size)


def _summary(nodes: int, processes: int) -> str:
    if nodes == 1:
        return f"{count(processes, 'process', 'processes')} in a container"
    return f"{topology(nodes, processes)} in {count(nodes, 'container')}"
