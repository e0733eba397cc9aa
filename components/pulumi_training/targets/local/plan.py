"""The launch request of a local run: one `mpirun`, one daemon, nodes as labels."""

from __future__ import annotations

import os
from pathlib import Path

from ...spec.text import count, topology
from ..contract.plan import UNKNOWN_PART, Plan
from ..contract.run import Prepared, RunSpec
from ..launching import Ground, gpus_of_node, launch_request


def plan(run: RunSpec, prepared: Prepared | None) -> Plan:
    """See `Target.plan`. What only submission can tell (a free port, the GPUs of the slots) is put in there."""
    job = run.job
    settings = prepared.settings if prepared else {}
    ground = Ground(
        code=str(run.code),
        folder=str(run.folder),
        data=prepared.data if prepared else dict.fromkeys((*job.inputs, *job.outputs), UNKNOWN_PART),
        as_root=os.geteuid() == 0,
        slot_cores=_cores_of_slot(job.world_size),
        resume_from=run.resume_from,
    )
    return Plan(
        "local",
        run.run_id,
        run.attempt,
        {
            **launch_request(run, settings, ground).to_json(),
            "prefix": str(Path(settings["python"]).parent.parent) if prepared else UNKNOWN_PART,
        },
        slots=job.world_size,
        gpus=job.node_count * gpus_of_node(run),
        summary=_summary(job.node_count, job.process_count_per_node),
    )


def _cores_of_slot(world_size: int) -> int:
    """An equal share of this machine's cores, at least one."""
    return max(1, (os.cpu_count() or 1) // world_size)


def _summary(nodes: int, processes: int) -> str:
    if nodes * processes == 1:
        return "1 process on this machine"
    if nodes == 1:
        return f"{count(processes, 'process', 'processes')} on this machine"
    return f"{topology(nodes, processes)}, all on this machine"
