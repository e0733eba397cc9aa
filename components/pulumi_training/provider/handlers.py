"""The resources of the package and the handler of each."""

from __future__ import annotations

from . import (
    logfile,  # noqa: F401 - what goes wrong later is written, though the package was taken away meanwhile
)
from .environment import EnvironmentHandler
from .handler import ResourceHandler
from .record_retention import RecordRetentionHandler
from .training_job import TrainingJobHandler


def handlers() -> dict[str, ResourceHandler]:
    """Type token -> handler."""
    return {
        "training:index:TrainingJob": TrainingJobHandler(),
        "training:index:Environment": EnvironmentHandler(),
        "training:index:RecordRetention": RecordRetentionHandler(),
    }
