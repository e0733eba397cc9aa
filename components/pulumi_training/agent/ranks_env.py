"""What a rank's script finds in its environment: the part of the contract that depends on the rank."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from .request import Request

RANK_VARIABLES = ("OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "PMI_ID", "SLURM_PROCID", "TRAINING_RANK")
AGENT_PREFIX = "TRAINING_AGENT_"
"""Variables of the agent itself (address, secret): no script sees them."""


def rank_number(environ: Mapping[str, str]) -> int:
    """This process's rank, as its launcher says. Raises ValueError where no launcher said anything."""
    for name in RANK_VARIABLES:
        value = environ.get(name, "")
        if value.isdigit():
            return int(value)
    raise ValueError("no rank in the environment: none of " + ", ".join(RANK_VARIABLES) + " is set")


def script_environment(request: Request, rank: int, inherited: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of a rank's script: inherited, then the run's, then the rank's."""
    environment = {name: value for name, value in inherited.items() if not name.startswith(AGENT_PREFIX)}
    if AGENT_PREFIX + "TMPDIR" in inherited:  # the launcher has a short one of its own
        environment.pop("TMPDIR", None)
        if inherited[AGENT_PREFIX + "TMPDIR"]:
            environment["TMPDIR"] = inherited[AGENT_PREFIX + "TMPDIR"]
    environment.update(request.environment)
    environment.update(rank_environment(request, rank))
    if request.slot_cores:
        environment.setdefault("OMP_NUM_THREADS", str(request.slot_cores))
    # A crash in native code then leaves the Python stack in the rank's log.
    environment.setdefault("PYTHONFAULTHANDLER", "1")
    shim = stacks_folder()
    if shim:
        path = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = shim + os.pathsep + path if path else shim
    return environment


def rank_environment(request: Request, rank: int) -> dict[str, str]:
    """The variables that only this rank has."""
    local_rank = rank % request.ranks_per_node
    environment = {
        "RANK": str(rank),
        "WORLD_SIZE": str(request.world_size),
        "LOCAL_RANK": str(local_rank),
        "LOCAL_WORLD_SIZE": str(request.ranks_per_node),
        "NODE_RANK": str(request.node_of(rank)),
        "MASTER_ADDR": request.master_addr,
        "MASTER_PORT": str(request.master_port),
        "TRAINING_METRICS": f"{request.folder}/metrics/rank-{rank}.jsonl",
    }
    if request.gpus:
        slot = rank if len(request.gpus) >= request.world_size else local_rank
        environment["CUDA_VISIBLE_DEVICES"] = ",".join(str(gpu) for gpu in request.gpus[slot])
    if request.backend == "tensorflow":
        environment["TF_CONFIG"] = tf_config(request, rank)
    return environment


def tf_config(request: Request, rank: int) -> str:
    """TensorFlow's cluster: workers are the first ranks, parameter servers the last.

    Each task listens on master_port + 1 + rank of its node. Source: TensorFlow, `TF_CONFIG`.
    """
    import json

    servers = request.parameter_server_count
    workers = request.worker_count if request.worker_count is not None else request.world_size - servers
    addresses = [
        f"{request.hosts[request.node_of(each) % len(request.hosts)]}:{request.master_port + 1 + each}"
        for each in range(request.world_size)
    ]
    cluster = {"worker": addresses[:workers]}
    if servers:
        cluster["ps"] = addresses[workers : workers + servers]
    task = {"type": "worker", "index": rank} if rank < workers else {"type": "ps", "index": rank - workers}
    return json.dumps({"cluster": cluster, "task": task})


def stacks_folder() -> str:
    """The folder whose `sitecustomize` makes Python scripts answer for their stacks; see `stacks`."""
    return os.path.join(os.path.dirname(os.path.abspath(__file__)), "shim")
