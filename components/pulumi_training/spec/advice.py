"""What is allowed and still worth a word: a job that wastes what it asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def idle_gpus(job: Mapping[str, Any]) -> str | None:
    """A warning, with the numbers, where a node of a job that uses GPUs runs fewer processes than it has GPUs.

    `job` are a job's inputs by wire name. Azure ML starts such jobs without a word.
    """
    compute = job.get("compute")
    if not isinstance(compute, Mapping):
        return None
    gpus, nodes = compute.get("gpusPerNode"), job.get("nodeCount", 1)
    processes = job.get("processCountPerNode", 1)
    uses_gpus = job.get("useGpu") is True or job.get("distributedBackend") == "nccl"
    counts = (gpus, nodes, processes)
    if not uses_gpus or not all(isinstance(n, int) and not isinstance(n, bool) for n in counts):
        return None
    if processes >= gpus:
        return None
    return (
        f"each node uses {processes} of its {gpus} GPUs: processCountPerNode is {processes}, and each process owns one GPU. "
        f"{(gpus - processes) * nodes} of {gpus * nodes} GPUs would be idle; write "
        f"process_count_per_node={gpus} to use them all"
    )
