"""How processes find one another, in the SDK's words: values for `distributed_training` and `distributed_job_config`.

Each says what it knows of backend and topology. The trap in the names is the SDK's: the process count of
PyTorchConfiguration is the total, that of the MPI ones is per node.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from ..spec.errors import Problem, SpecError


@runtime_checkable
class Distribution(Protocol):
    """Backend and topology; `topology` holds parameters of a TrainingJob by name."""

    def topology(self, node_count: int) -> dict[str, Any]:
        """What the job takes, on a job of `node_count` nodes unless it names a count of its own."""


@dataclass(frozen=True)
class Mpi:
    """MPI, with so many processes on each node."""

    process_count_per_node: int = 1

    def topology(self, node_count: int) -> dict[str, Any]:
        """See `Distribution`."""
        return {"distributed_backend": "mpi", "process_count_per_node": self.process_count_per_node}


@dataclass(frozen=True)
class MpiConfiguration:
    """MPI for a ScriptRunConfig, with so many processes on each of so many nodes."""

    process_count_per_node: int = 1
    node_count: int = 1

    def topology(self, node_count: int) -> dict[str, Any]:
        """See `Distribution`."""
        return {**Mpi(self.process_count_per_node).topology(node_count), "node_count": self.node_count}


@dataclass(frozen=True)
class Gloo:
    """PyTorch's gloo; the processes per node are the estimator's."""

    def topology(self, node_count: int) -> dict[str, Any]:
        """See `Distribution`."""
        return {"distributed_backend": "gloo"}


@dataclass(frozen=True)
class Nccl:
    """NVIDIA's NCCL; the processes per node are the estimator's."""

    def topology(self, node_count: int) -> dict[str, Any]:
        """See `Distribution`."""
        return {"distributed_backend": "nccl"}


@dataclass(frozen=True)
class PyTorchConfiguration:
    """PyTorch for a ScriptRunConfig. `process_count` is the total of all nodes; one per node where it is left out."""

    communication_backend: str = "Nccl"
    process_count: int | None = None
    node_count: int = 1

    def topology(self, node_count: int) -> dict[str, Any]:
        """See `Distribution`."""
        total = self.node_count if self.process_count is None else self.process_count
        return {
            "distributed_backend": self.communication_backend.lower(),
            "node_count": self.node_count,
            "process_count_per_node": _per_node(total, self.node_count, f"process_count={total}"),
        }


@dataclass(frozen=True)
class ParameterServer:
    """TensorFlow's workers and parameter servers; together they are all processes."""

    worker_count: int = 1
    parameter_server_count: int = 1

    def topology(self, node_count: int) -> dict[str, Any]:
        """See `Distribution`; the processes are shared out to the estimator's nodes."""
        total = self.worker_count + self.parameter_server_count
        words = f"{self.worker_count} workers and {self.parameter_server_count} parameter servers"
        return {
            "distributed_backend": "tensorflow",
            "worker_count": self.worker_count,
            "parameter_server_count": self.parameter_server_count,
            "process_count_per_node": _per_node(total, node_count, words),
        }


@dataclass(frozen=True)
class TensorflowConfiguration:
    """TensorFlow for a ScriptRunConfig: workers and parameter servers, shared out to `node_count` nodes."""

    worker_count: int = 1
    parameter_server_count: int = 1
    node_count: int = 1

    def topology(self, node_count: int) -> dict[str, Any]:
        """See `Distribution`."""
        servers = ParameterServer(self.worker_count, self.parameter_server_count)
        return {**servers.topology(self.node_count), "node_count": self.node_count}


def _per_node(total: int, nodes: int, words: str) -> int:
    """An equal share for each node; what is out of range is left for the job's own check to refuse."""
    if not isinstance(nodes, int) or nodes < 1 or total % nodes == 0:
        return total // nodes if isinstance(nodes, int) and nodes >= 1 else total
    raise SpecError(
        Problem(
            "processCountPerNode",
            f"{words} cannot be shared out equally to {nodes} nodes; nodes run equally many processes here, so "
            f"write {total - total % nodes or nodes} or {total + nodes - total % nodes} in all",
        )
    )
