"""The exact containers and launch request of a run on Docker. Pure."""

from __future__ import annotations

import posixpath

from ...launch.environ import shared_environment
from ...launch.mpirun import launcher_line
from ...launch.python_line import script_line
from ...launch.request import LaunchRequest
from ...launch.topology import Topology
from ...spec.container_settings import container_settings
from ...spec.data import substitute
from ..base import UNKNOWN_PART, Plan, Prepared, RunSpec
from .data import CODE, FOLDER, RESUME, layout
from .names import host_name, object_name
from .request import AGENT, MASTER_PORT, SECRET_FILE, SHELL_FILE, limits


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
    hosts = ["localhost"] if is_single else [host_name(node) for node in range(job.node_count)]
    backend = job.distributed_backend.value if job.distributed_backend else None
    launcher = None
    if backend is not None:
        launcher = launcher_line(
            settings.get("mpi", "openmpi5"),
            settings.get("mpirun", UNKNOWN_PART),
            topology,
            hosts,
            shell_file=SHELL_FILE,
            single_host=is_single,
            as_root=True,
            forward=sorted(job.secret_environment_variables),
        )
    variables = {name: substitute(value, data) for name, value in job.environment_variables.items()}
    container = container_settings(job.compute.settings if job.compute else {}, job.shm_size)
    launch = LaunchRequest(
        run_id=run.run_id,
        attempt=run.attempt,
        script=script_line(
            python,
            entry_script=job.entry_script,
            command=substitute(job.command, data) if job.command is not None else None,
            arguments=[substitute(argument, data) for argument in job.arguments],
            backend=backend,
        ),
        cwd=CODE,
        folder=FOLDER,
        agent=agent,
        node_count=job.node_count,
        process_count_per_node=job.process_count_per_node,
        hosts=hosts,
        launcher=launcher,
        flavour=settings.get("mpi"),
        environment=shared_environment(
            run_id=run.run_id,
            attempt=run.attempt,
            topology=topology,
            output_dir=f"{FOLDER}/outputs",
            log_dir=f"{FOLDER}/logs",
            resume_from=RESUME if run.resume_from else None,
            data=data,
            user=variables,
            master_addr="127.0.0.1" if is_single else hosts[0],
            master_port=MASTER_PORT,
            bin_folder=None,
        ),
        secret_names=sorted(job.secret_environment_variables),
        backend=backend,
        slots_cores=_cores_of_slot(int(settings.get("cores", "1")), container.nano_cpus, topology),
        gpus=_gpus_of_ranks(run),
        master_addr="127.0.0.1" if is_single else hosts[0],
        master_port=MASTER_PORT,
        worker_count=job.worker_count,
        parameter_server_count=job.parameter_server_count,
        limits=limits(run.document),
    )
    copies = [
        {"from": settings.get(f"data.{name}", UNKNOWN_PART), "to": data[name]} for name in places.copied
    ]
    if run.resume_from:
        copies.append({"from": run.resume_from, "to": RESUME})
    path = settings.get("path", UNKNOWN_PART)
    document = {
        "image": settings.get("image", UNKNOWN_PART),
        "agent": agent,
        "secret_file": SECRET_FILE,
        "network": None if is_single else object_name(run.run_id, run.attempt),
        "nodes": [
            {
                "node": node,
                "name": object_name(run.run_id, run.attempt, node),
                "hostname": host_name(node),
            }
            for node in range(job.node_count)
        ],
        "container": container.to_json(),
        "environment": {
            "PATH": f"{posixpath.dirname(python)}:{path}" if prepared else UNKNOWN_PART,
            **({"LD_LIBRARY_PATH": settings["libraries"]} if "libraries" in settings else {}),
        },
        "mounts": list(places.mounts),
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
        gpus=job.node_count * _gpus_of_node(run),
        summary=_summary(job.node_count, job.process_count_per_node),
    )


def _gpus_of_node(run: RunSpec) -> int:
    job = run.job
    return job.compute.gpus_per_node if job.compute and job.use_gpu else 0


def _gpus_of_ranks(run: RunSpec) -> list[list[int]]:
    """For each process of a node, its GPUs as numbered inside the container."""
    share = _gpus_of_node(run) // run.job.process_count_per_node
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
        return f"{processes} process{'es' if processes > 1 else ''} in a container"
    return f"{nodes} x {processes} processes in {nodes} containers"
