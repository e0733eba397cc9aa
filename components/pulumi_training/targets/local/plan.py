"""The launch request of a local run: one `mpirun`, one daemon, nodes as labels."""

from __future__ import annotations

import os
from pathlib import Path

from ...launch.environ import shared_environment
from ...launch.mpirun import launcher_line
from ...launch.python_line import script_line
from ...launch.request import LaunchRequest
from ...launch.topology import Topology
from ...spec.data import substitute
from ..base import UNKNOWN_PART, Plan, Prepared, RunSpec
from .request import MASTER_PORT, limits


def plan(run: RunSpec, prepared: Prepared | None) -> Plan:
    """See `Target.plan`. What only submission can tell (a free port, the GPUs of the slots) is put in there."""
    job = run.job
    settings = prepared.settings if prepared else {}
    data = dict(prepared.data) if prepared else dict.fromkeys((*job.inputs, *job.outputs), UNKNOWN_PART)
    python = settings.get("python", UNKNOWN_PART)
    topology = Topology(job.node_count, job.process_count_per_node)
    backend = job.distributed_backend.value if job.distributed_backend else None
    launcher = None
    if backend is not None:
        launcher = launcher_line(
            settings.get("mpi", "openmpi5"),
            settings.get("mpirun", UNKNOWN_PART),
            topology,
            ["localhost"],
            single_host=True,
            as_root=os.geteuid() == 0,
        )
    variables = {name: substitute(value, data) for name, value in job.environment_variables.items()}
    request = LaunchRequest(
        run_id=run.run_id,
        attempt=run.attempt,
        script=script_line(
            python,
            entry_script=job.entry_script,
            command=substitute(job.command, data) if job.command is not None else None,
            arguments=[substitute(argument, data) for argument in job.arguments],
            backend=backend,
        ),
        cwd=str(run.code),
        folder=str(run.folder),
        agent=[],
        node_count=job.node_count,
        process_count_per_node=job.process_count_per_node,
        launcher=launcher,
        flavour=settings.get("mpi"),
        environment=shared_environment(
            run_id=run.run_id,
            attempt=run.attempt,
            topology=topology,
            output_dir=str(run.folder / "outputs"),
            log_dir=str(run.folder / "logs"),
            resume_from=run.resume_from,
            data=data,
            user=variables,
            master_port=MASTER_PORT,
            bin_folder=None,
        ),
        secret_names=sorted(job.secret_environment_variables),
        backend=backend,
        slots_cores=_cores_of_slot(job.world_size),
        worker_count=job.worker_count,
        parameter_server_count=job.parameter_server_count,
        limits=limits(run.document),
    )
    gpus = job.node_count * (job.compute.gpus_per_node if job.compute and job.use_gpu else 0)
    document = {**request.to_json(), "prefix": str(Path(python).parent.parent) if prepared else UNKNOWN_PART}
    return Plan(
        "local",
        run.run_id,
        run.attempt,
        document,
        slots=job.world_size,
        gpus=gpus,
        summary=_summary(job.node_count, job.process_count_per_node),
    )


def _cores_of_slot(world_size: int) -> int:
    """An equal share of this machine's cores, at least one."""
    return max(1, (os.cpu_count() or 1) // world_size)


def _summary(nodes: int, processes: int) -> str:
    if nodes * processes == 1:
        return "1 process on this machine"
    if nodes == 1:
        return f"{processes} processes on this machine"
    return f"{nodes} x {processes} processes on this machine, nodes are labels"
