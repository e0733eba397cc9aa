"""A distributed training run as a Pulumi resource.

The face of the package: `TrainingJob` and `Environment`, and the same by Azure ML's names (`Estimator`, `Experiment`,
`Run`), here; the components of a target in the module of its name (`from pulumi_training import local as target`).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from .client.board import Tensorboard
    from .client.board_metrics import export_to_tensorboard
    from .client.experiment import Experiment
    from .client.notebook_view import RunDetails
    from .client.run import Run
    from .declare.data_reference import DataReference
    from .resources.distributed import (
        Gloo,
        Mpi,
        MpiConfiguration,
        Nccl,
        ParameterServer,
        PyTorchConfiguration,
        TensorflowConfiguration,
    )
    from .resources.environment import Environment
    from .resources.estimator import ContainerRegistry, Estimator, PyTorch, SKLearn, TensorFlow
    from .resources.record_retention import RecordRetention
    from .resources.script_run_config import ScriptRunConfig
    from .resources.training_job import TrainingJob
    from .spec.errors import PermanentError, SpecError, TrainingError, TransientError

__all__ = [
    "ContainerRegistry",
    "DataReference",
    "Environment",
    "Estimator",
    "Experiment",
    "Gloo",
    "Mpi",
    "MpiConfiguration",
    "Nccl",
    "ParameterServer",
    "PermanentError",
    "PyTorch",
    "PyTorchConfiguration",
    "RecordRetention",
    "Run",
    "RunDetails",
    "SKLearn",
    "ScriptRunConfig",
    "SpecError",
    "TensorFlow",
    "Tensorboard",
    "TensorflowConfiguration",
    "TrainingError",
    "TrainingJob",
    "TransientError",
    "__version__",
    "export_to_tensorboard",
]

_HOMES = {
    "ContainerRegistry": "resources.estimator",
    "DataReference": "declare.data_reference",
    "Environment": "resources.environment",
    "Estimator": "resources.estimator",
    "Experiment": "client.experiment",
    "Gloo": "resources.distributed",
    "Mpi": "resources.distributed",
    "MpiConfiguration": "resources.distributed",
    "Nccl": "resources.distributed",
    "ParameterServer": "resources.distributed",
    "PermanentError": "spec.errors",
    "PyTorch": "resources.estimator",
    "PyTorchConfiguration": "resources.distributed",
    "RecordRetention": "resources.record_retention",
    "Run": "client.run",
    "RunDetails": "client.notebook_view",
    "SKLearn": "resources.estimator",
    "ScriptRunConfig": "resources.script_run_config",
    "SpecError": "spec.errors",
    "TensorFlow": "resources.estimator",
    "Tensorboard": "client.board",
    "TensorflowConfiguration": "resources.distributed",
    "TrainingError": "spec.errors",
    "TrainingJob": "resources.training_job",
    "TransientError": "spec.errors",
    "export_to_tensorboard": "client.board_metrics",
}


def __getattr__(name: str) -> Any:
    """Imports a name when it is asked for: the plugin and the agent share this package and need none of them."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
