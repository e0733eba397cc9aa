"""The words of the first and the last SDK brought together: two names for one thing, and what there is no more."""

from __future__ import annotations

from typing import Any

from ..declare.component import Component
from ..declare.places import ComputeClusterBase
from ..spec.errors import Problem, SpecError
from .distributed import Distribution
from .property import wire_name

_GONE = {
    "vm_size": "no machines are made for one run; declare a ComputeCluster and pass it as compute_target",
    "vm_priority": "goes with vm_size, which there is not; a ComputeCluster says what machines it has",
    "source_directory_data_store": "every run keeps its own copy of the source; leave it out",
}


def refuse(**given: object) -> None:
    """Refuses parameters that have no meaning here.

    Raises:
        SpecError: with what to write instead, for each that is given.
    """
    problems = [Problem(wire_name(name), _GONE[name]) for name, value in given.items() if value is not None]
    if problems:
        raise SpecError(problems)


def one_of(**names: object) -> Any:
    """The value that is given under one of two names.

    Raises:
        SpecError: it is given under both, whether or not they agree.
    """
    given = [name for name, value in names.items() if value is not None]
    if len(given) > 1:
        raise SpecError(Problem(wire_name(given[0]), f"is what {given[1]} says too; give one of the two"))
    return names[given[0]] if given else None


def compute_of(compute: object) -> Any:
    """Where to run, which is a ComputeCluster and not the name of one.

    Raises:
        SpecError: it is a text, or another part of a target.
    """
    if isinstance(compute, str):
        raise SpecError(
            Problem("compute", f"{compute!r} is a name; pass the cluster, as target.ComputeCluster({compute!r}, "
                    "workspace=workspace)")
        )  # fmt: skip
    if isinstance(compute, Component) and not isinstance(compute, ComputeClusterBase):
        raise SpecError(
            Problem("compute", f"a {type(compute).__name__} runs nothing; pass a ComputeCluster of it")
        )
    return compute


def backend_of(backend: object) -> Any:
    """A backend by its name here: any case, and `ps` is TensorFlow's."""
    if not isinstance(backend, str):
        return backend
    return "tensorflow" if backend.lower() in ("ps", "parameterserver") else backend.lower()


def topology_of(
    node_count: int | None,
    process_count_per_node: int | None,
    distributed_backend: str | None,
    distributed_training: object,
) -> dict[str, Any]:
    """Nodes, processes and backend of a job, said in one way or in both where they agree.

    Raises:
        SpecError: the two ways contradict one another, or `distributed_training` is no such value.
    """
    own = {
        "node_count": node_count,
        "process_count_per_node": process_count_per_node,
        "distributed_backend": backend_of(distributed_backend),
    }
    if distributed_training is None:
        return own
    if isinstance(distributed_training, type) or not isinstance(distributed_training, Distribution):
        raise SpecError(
            Problem(
                "distributedTraining",
                f"{distributed_training!r} is no value for it; write Mpi(process_count_per_node=2), Gloo(), Nccl() or "
                "ParameterServer(worker_count=2, parameter_server_count=1)",
            )
        )
    said = distributed_training.topology(1 if node_count is None else node_count)
    for name, value in own.items():
        if (
            value is not None
            and name in said
            and said[name] != value
            and not _is_left_open(name, said, value)
        ):
            raise SpecError(
                Problem(
                    wire_name(name),
                    f"is {value!r}, and {distributed_training!r} makes it {said[name]!r}; give it once",
                )
            )
    return {**own, **said, **{n: v for n, v in own.items() if v is not None}}


def _is_left_open(name: str, said: dict[str, Any], value: object) -> bool:
    """`Mpi()` says one process as a default only: the page gives process_count_per_node beside it."""
    return name == "process_count_per_node" and said["distributed_backend"] == "mpi" and said[name] == 1
