"""The parts of a plan that nodes of every backend have alike. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...launch.topology import Topology
from ...spec.text import count, topology
from ..contract.plan import UNKNOWN_PART
from ..launching import Ground, gpus_of_node, launch_request
from .data_layout import Layout, layout
from .names import object_name
from .node_layout import AGENT, CODE, FOLDER, RESUME, ROOT_USER, SHELL_FILE, host_name

if TYPE_CHECKING:
    from ..contract.run import RunSpec


@dataclass(frozen=True)
class PlanParts:
    """Of a plan's request, under the names that `node_payload` and `node_start` read.

    `owner` is uid and gid of a node's processes, None where the image names a user whose number only it knows. `places`
    says what is mounted.
    """

    places: Layout
    agent: list[str]
    owner: list[int] | None
    nodes: list[dict[str, Any]]
    environment: dict[str, str]
    copies: list[dict[str, str]]
    launch: dict[str, Any]


def plan_parts(
    run: RunSpec, settings: Mapping[str, str], *, user: str | None = None, nano_cpus: int | None = None
) -> PlanParts:
    """What follows of a job and of what was prepared: `settings` are empty before that, then they have image, python, path
    and user of the image, cores of a machine, and the local copy of each input as `data.<name>`.

    `user` and `nano_cpus` are what containers are limited to, None where they are not.
    """
    job = run.job
    places = layout(job.inputs, job.outputs)
    python = settings.get("python", UNKNOWN_PART)
    agent = [python, "-I", "-S", AGENT]
    grid = Topology(job.node_count, job.process_count_per_node)
    ground = Ground(
        code=CODE,
        folder=FOLDER,
        data=dict(places.paths),
        as_root=True,
        slot_cores=_cores_of_slot(int(settings.get("cores", "1")), nano_cpus, grid),
        agent=agent,
        hosts=["localhost"] if job.node_count == 1 else [host_name(node) for node in range(job.node_count)],
        resume_from=RESUME if run.resume_from else None,
        gpus=_gpus_of_ranks(run),
        shell_file=SHELL_FILE,
        forwards_secrets=True,
    )
    copies = [
        {"from": settings.get(f"data.{name}", UNKNOWN_PART), "to": places.paths[name]}
        for name in places.copied
    ]
    if run.resume_from:
        copies.append({"from": run.resume_from, "to": RESUME})
    path = f"{posixpath.dirname(python)}:{settings['path']}" if "path" in settings else UNKNOWN_PART
    libraries = {"LD_LIBRARY_PATH": settings["libraries"]} if "libraries" in settings else {}
    return PlanParts(
        places,
        agent,
        _owner_of(user if user is not None else settings.get("user", "")),
        [
            {
                "node": node,
                "name": object_name(run.run_id, run.attempt, node, store=run.store),
                "hostname": host_name(node),
            }
            for node in range(job.node_count)
        ],
        {"PATH": path, **libraries},
        copies,
        launch_request(run, settings, ground).to_json(),
    )


def summary(run: RunSpec, noun: str = "container") -> str:
    """How wide a run is, in a few words."""
    nodes, processes = run.job.node_count, run.job.process_count_per_node
    if nodes == 1:
        return f"{count(processes, 'process', 'processes')} in a {noun}"
    return f"{topology(nodes, processes)} in {count(nodes, noun)}"


def _owner_of(user: str) -> list[int] | None:
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
