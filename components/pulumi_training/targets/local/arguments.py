"""What the components of the local target take beside what those of every target take."""

from __future__ import annotations

from ...spec.components import ComputeClusterArgs
from ...spec.fields import ignored
from .settings import LocalSettings


class LocalClusterArgs(ComputeClusterArgs):
    """How much may run at once."""

    settings: LocalSettings | None = ignored(
        None, description="Limits of containers together, typed; in place of the single ones, or beside them."
    )
