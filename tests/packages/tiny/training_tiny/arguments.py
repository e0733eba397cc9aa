"""What the components of the target take beside what those of every target take."""

from __future__ import annotations

from pulumi_training.spec.components import ComputeClusterArgs
from pulumi_training.spec.fields import ignored

from .settings import TinySettings


class TinyClusterArgs(ComputeClusterArgs):
    """How much may run at once, and how."""

    settings: TinySettings | None = ignored(None, description="The settings of the target.")
