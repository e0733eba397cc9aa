"""The launch request of a job, alike at every place where the agent starts the ranks. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..agent.marks import STORE
from ..launch.environ import shared_environment
from ..launch.mpirun import launcher_line
from ..launch.python_line import script_line
from ..launch.request import MASTER_PORT, LaunchRequest, Limits
from ..launch.topology import Topology
from ..spec.data import substitute
from .contract.plan import UNKNOWN_PART
from .contract.run import RunSpec


@dataclass(frozen=True)
class Ground:
    """What a launch finds where it happens; paths are those that the ranks see.

    `code` is the run's copy of the source, `folder` the attempt's; `data` has the path of each input and output.
    `hosts` has one name per node, or ["localhost"] where nodes are labels. `slot_cores` are the cores of a slot,
    `gpus` the GPU ids of each. `shell_file` is what a launcher calls in place of ssh, and `forwards_secrets` says
    that it must be told which secret variables go along.
    """

    code: str
    folder: str
    data: Mapping[str, str]
    as_root: bool
    slot_cores: int
    agent: Sequence[str] = ()
    hosts: Sequence[str] = ("localhost",)
    resume_from: str | None = None
    gpus: Sequence[Sequence[int]] = ()
    shell_file: str | None = None
    forwards_secrets: bool = False


def launch_request(run: RunSpec, settings: Mapping[str, str], ground: Ground) -> LaunchRequest:
    """What the agent is told; what is missing in `settings` (interpreter, MPI) is known after preparation only."""
    job, data, hosts = run.job, dict(ground.data), list(ground.hosts)
    python = settings.get("python", UNKNOWN_PART)
    topology = Topology(job.node_count, job.process_count_per_node)
    backend = job.distributed_backend.value if job.distributed_backend else None
    secret_names = sorted(job.secret_environment_variables)
    forwarded = [*([STORE] if run.store else []), *(secret_names if ground.forwards_secrets else [])]
    master = "127.0.0.1" if hosts == ["localhost"] else hosts[0]
    launcher = None
    if backend is not None:
        launcher = launcher_line(
            settings.get("mpi", "openmpi5"),
            settings.get("mpirun", UNKNOWN_PART),
            topology,
            hosts,
            shell_file=ground.shell_file,
            single_host=hosts == ["localhost"],
            as_root=ground.as_root,
            forward=forwarded,
        )
    return LaunchRequest(
        run_id=run.run_id,
        attempt=run.attempt,
        store=run.store,
        script=script_line(
            python,
            entry_script=job.entry_script,
            command=substitute(job.command, data) if job.command is not None else None,
            arguments=[substitute(argument, data) for argument in job.arguments],
            backend=backend,
        ),
        cwd=ground.code,
        folder=ground.folder,
        agent=list(ground.agent),
        node_count=job.node_count,
        process_count_per_node=job.process_count_per_node,
        hosts=hosts,
        launcher=launcher,
        flavour=settings.get("mpi"),
        environment=shared_environment(
            run_id=run.run_id,
            attempt=run.attempt,
            store=run.store,
            topology=topology,
            output_dir=f"{ground.folder}/outputs",
            log_dir=f"{ground.folder}/logs",
            resume_from=ground.resume_from,
            data=data,
            user={name: substitute(value, data) for name, value in job.environment_variables.items()},
            master_addr=master,
            master_port=MASTER_PORT,
        ),
        secret_names=secret_names,
        backend=backend,
        slots_cores=ground.slot_cores,
        gpus=[list(slot) for slot in ground.gpus],
        master_addr=master,
        master_port=MASTER_PORT,
        worker_count=job.worker_count,
        parameter_server_count=job.parameter_server_count,
        limits=Limits.of_job(run.document),
    )


def gpus_of_node(run: RunSpec) -> int:
    """The GPUs that a node of the job gets: none unless it asks for them."""
    job = run.job
    return job.compute.gpus_per_node if job.compute and job.use_gpu else 0
