"""What must hold between the fields of a job, each rule a function from the job to its problems.

The conditions of the Estimator (its rules 1 to 5) and those it left to the service: topology against the
cluster, GPUs against processes, names, references. What one target has and another has not is in `targets.rules`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from . import expectation
from .data import DataMode, references
from .environment import EnvironmentSpec
from .errors import Problem
from .job import JobSpec
from .names import name_problem
from .policy import Backend
from .text import count, topology
from .tracking_variables import VARIABLES

Rule = Callable[[JobSpec], Iterator[Problem]]
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DATA_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
RESERVED_VARIABLES = frozenset(
    {"RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "NODE_RANK", "MASTER_ADDR", "TF_CONFIG"}
)
RESERVED_PREFIXES = ("TRAINING_", "OMPI_", "PMIX_", "PRTE_")


def what_runs(job: JobSpec) -> Iterator[Problem]:
    """Exactly one of entryScript and command."""
    if job.entry_script is not None and job.command is not None:
        yield Problem("command", "give entryScript or command, not both")
    elif job.entry_script is None and job.command is None:
        yield Problem("entryScript", "name the script to run, as 'train.py', or give a command")
    if job.entry_script is not None and not job.entry_script.strip():
        yield Problem("entryScript", "is empty; name the script to run, as 'train.py'")
    if job.command is not None and not job.command.strip():
        yield Problem("command", "is empty; write the command to run, as 'python train.py'")


def name_is_valid(job: JobSpec) -> Iterator[Problem]:
    """A name that can be part of a host name."""
    wrong = name_problem(job.name) if job.name is not None else None
    if wrong:
        yield Problem("name", wrong)


def compute_is_given(job: JobSpec) -> Iterator[Problem]:
    """A place to run at."""
    if job.compute is None:
        yield Problem(
            "compute", "say where to run: pass a ComputeCluster, as compute=target.ComputeCluster(...)"
        )


def backend_fits_width(job: JobSpec) -> Iterator[Problem]:
    """More than one process needs a backend; a backend with one process is legal, and runs under it."""
    if job.distributed_backend is None and job.world_size > 1:
        yield Problem(
            "distributedBackend",
            f"must be given for {topology(job.node_count, job.process_count_per_node)}; write one of "
            + ", ".join(repr(b.value) for b in Backend),
        )


def fits_cluster(job: JobSpec) -> Iterator[Problem]:
    """No more nodes, processes or GPUs than the cluster has: such a job would wait for ever."""
    compute = job.compute
    if compute is None:
        return
    if job.node_count > compute.max_nodes:
        yield Problem(
            "nodeCount",
            f"{count(job.node_count, 'node')} do not fit cluster {compute.cluster!r}, which has {compute.max_nodes}; "
            f"write at most {compute.max_nodes}, or raise maxNodes of the cluster",
        )
    if job.process_count_per_node > compute.slots_per_node:
        yield Problem(
            "processCountPerNode",
            f"{job.process_count_per_node} processes do not fit a node of cluster {compute.cluster!r}, which has "
            f"{count(compute.slots_per_node, 'slot')}; write at most {compute.slots_per_node}, or raise slotsPerNode "
            "of the cluster",
        )


def gpus_fit(job: JobSpec) -> Iterator[Problem]:
    """Each process owns a GPU where GPUs are asked for; nccl cannot do without."""
    compute = job.compute
    if compute is None:
        return
    if job.distributed_backend is Backend.NCCL and compute.gpus_per_node == 0:
        yield Problem(
            "distributedBackend",
            f"nccl needs GPUs, and cluster {compute.cluster!r} has gpusPerNode 0; write 'gloo' or give it GPUs",
        )
    if job.use_gpu and compute.gpus_per_node < job.process_count_per_node:
        yield Problem(
            "useGpu",
            f"{job.process_count_per_node} processes of a node cannot own a GPU each: cluster {compute.cluster!r} has "
            f"{count(compute.gpus_per_node, 'GPU')} on a node; lower processCountPerNode or raise gpusPerNode",
        )


def tensorflow_roles_add_up(job: JobSpec) -> Iterator[Problem]:
    """Workers and parameter servers make up all processes."""
    if job.distributed_backend is not Backend.TENSORFLOW:
        for name, value in (
            ("workerCount", job.worker_count),
            ("parameterServerCount", job.parameter_server_count),
        ):
            if value:
                yield Problem(name, "is for distributedBackend 'tensorflow'; leave it out")
        return
    workers = (
        job.worker_count if job.worker_count is not None else job.world_size - job.parameter_server_count
    )
    if workers < 1 or workers + job.parameter_server_count != job.world_size:
        yield Problem(
            "workerCount",
            f"{count(workers, 'worker')} and {count(job.parameter_server_count, 'parameter server')} are not the "
            f"{count(job.world_size, 'process', 'processes')} of nodeCount × processCountPerNode",
        )


def environment_is_one(job: JobSpec) -> Iterator[Problem]:
    """One full environment, or the shortcuts; never both."""
    if job.environment is not None and job.environment_ref is not None:
        given = list(job.environment.model_dump(by_alias=True, exclude_defaults=True))
        yield Problem(
            "environment",
            f"{', '.join(given) or 'an environment'} beside a full environment; put the packages into the Environment "
            "resource, or leave it out",
        )
    target = job.compute.target if job.compute else None
    ref = job.environment_ref
    if ref is not None and target is not None and ref.target != target:
        yield Problem("environmentRef", f"was made for {ref.target}, and the job runs on {target}")


def environment_holds_together(job: JobSpec) -> Iterator[Problem]:
    """Only one way to say what is installed."""
    if job.environment is not None:
        yield from environment_problems(job.environment, "environment.")


def environment_problems(env: EnvironmentSpec, prefix: str = "") -> Iterator[Problem]:
    """What contradicts itself in an environment; paths begin with `prefix`."""
    packages = env.pip_packages or env.pip_requirements_file or env.conda_packages
    if env.user_managed and (packages or env.conda_dependencies_file):
        yield Problem(
            f"{prefix}userManaged",
            "nothing is installed into a user-managed environment; leave out its packages",
        )
    if env.conda_dependencies_file and packages:
        yield Problem(f"{prefix}condaDependenciesFile", "stands alone; put the other packages into that file")
    if env.interpreter and not env.user_managed:
        yield Problem(
            f"{prefix}interpreter", "goes with userManaged=True; to choose a version write pythonVersion"
        )
    if env.dockerfile and env.image:
        yield Problem(f"{prefix}image", "a Dockerfile names its own base image; give one of the two")


def variables_are_free(job: JobSpec) -> Iterator[Problem]:
    """Names of environment variables, none of them ours, none given twice."""
    for field, variables in (
        ("environmentVariables", job.environment_variables),
        ("secretEnvironmentVariables", job.secret_environment_variables),
    ):
        for name in variables:
            if not _VARIABLE.fullmatch(name):
                yield Problem(f'{field}["{name}"]', "is not a variable's name; use letters, digits and _")
            elif name in RESERVED_VARIABLES or name.startswith(RESERVED_PREFIXES):
                yield Problem(f"{field}.{name}", "is set by the launch of every rank; choose another name")
    for name in sorted(set(job.environment_variables) & set(job.secret_environment_variables)):
        yield Problem(f"environmentVariables.{name}", "is a secret variable too; give it once")


def data_holds_together(job: JobSpec) -> Iterator[Problem]:
    """Modes that fit the direction, and no reference to data that is not declared."""
    for field, mapping in (("inputs", job.inputs), ("outputs", job.outputs)):
        for name in mapping:
            if not _DATA_NAME.fullmatch(name):
                yield Problem(f'{field}["{name}"]', "is not a name; use letters, digits, dots, hyphens and _")
    for name, item in job.inputs.items():
        if item.mode is DataMode.UPLOAD:
            yield Problem(f"inputs.{name}.mode", "upload is for outputs; write mount or download")
    for name, out in job.outputs.items():
        if out.mode is DataMode.DOWNLOAD:
            yield Problem(f"outputs.{name}.mode", "download is for inputs; write upload")
    for name in sorted(set(job.inputs) & set(job.outputs)):
        yield Problem(f"outputs.{name}", "is the name of an input too; arguments could not tell them apart")
    known = {*job.inputs, *job.outputs}
    texts = [(f"arguments[{i}]", text) for i, text in enumerate(job.arguments)]
    texts += [("command", job.command)] if job.command else []
    texts += [(f"environmentVariables.{k}", v) for k, v in job.environment_variables.items()]
    for path, text in texts:
        for name in references(text):
            if name not in known:
                there = f"; there are {', '.join(sorted(known))}" if known else ""
                yield Problem(
                    path,
                    f"there is no input or output named {name!r}{there} (write $${{data.{name}}} for the text itself)",
                )
        if "\0" in text:
            yield Problem(path, "holds a NUL character, which no argument can carry")


def expectations_parse(job: JobSpec) -> Iterator[Problem]:
    """Bounds that can be read."""
    for metric, text in job.expect.items():
        try:
            expectation.parse(metric, text)
        except ValueError as error:
            yield Problem(f"expect.{metric}", str(error))


def metrics_rank_exists(job: JobSpec) -> Iterator[Problem]:
    """A rank that the job has."""
    if job.metrics_rank >= job.world_size:
        yield Problem(
            "metricsRank", f"there is no rank {job.metrics_rank}; ranks are 0 to {job.world_size - 1}"
        )


def tracking_variables_are_free(job: JobSpec) -> Iterator[Problem]:
    """Variables of tracking that nobody else sets."""
    if job.compute is None or not job.compute.tracking_uri:
        return
    for name in VARIABLES:
        if name in job.environment_variables:
            yield Problem(
                f"environmentVariables.{name}",
                "is set for every rank where tracking is on; leave it out, or give the workspace no tracking_uri",
            )


RULES: dict[Rule, tuple[str, ...]] = {
    what_runs: ("entry_script", "command"),
    name_is_valid: ("name",),
    compute_is_given: ("compute",),
    backend_fits_width: ("distributed_backend", "node_count", "process_count_per_node"),
    fits_cluster: ("compute", "node_count", "process_count_per_node"),
    gpus_fit: ("compute", "distributed_backend", "use_gpu", "process_count_per_node"),
    tensorflow_roles_add_up: (
        "distributed_backend",
        "worker_count",
        "parameter_server_count",
        "node_count",
        "process_count_per_node",
    ),
    environment_is_one: ("environment", "environment_ref", "compute"),
    environment_holds_together: ("environment", "compute"),
    variables_are_free: ("environment_variables", "secret_environment_variables"),
    data_holds_together: ("inputs", "outputs", "arguments", "command", "environment_variables"),
    expectations_parse: ("expect",),
    tracking_variables_are_free: ("compute", "environment_variables"),
    metrics_rank_exists: ("metrics_rank", "node_count", "process_count_per_node"),
}
"""Each rule and the fields it reads: a rule is passed over where one of them is unknown or already refused."""
