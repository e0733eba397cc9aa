"""The slots of a cluster at a Docker daemon: an attempt lives as long as its containers do."""

from __future__ import annotations

from pathlib import Path

from ..slots import Slots as ClusterSlots
from .follow import is_live


class Slots(ClusterSlots):
    """See `targets.slots.Slots`."""

    def is_live(self, folder: Path) -> bool:
        """See `targets.slots.Slots.is_live`."""
        return is_live(folder)
