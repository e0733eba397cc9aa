"""The slots of a cluster at a Docker daemon: an attempt lives as long as its containers do."""

from __future__ import annotations

from pathlib import Path

from ..containers.observe import is_live
from ..slots import Slots as ClusterSlots
from .backend import BACKEND


class Slots(ClusterSlots):
    """See `targets.slots.Slots`."""

    def is_live(self, folder: Path) -> bool:
        """See `targets.slots.Slots.is_live`."""
        return is_live(BACKEND, folder)
