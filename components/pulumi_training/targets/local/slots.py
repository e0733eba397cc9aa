"""The slots of a cluster of this machine: an attempt lives as long as its agent does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..slots import Owner, Ticket, me
from ..slots import Slots as ClusterSlots
from .agent_process import is_live

__all__ = ["Owner", "Slots", "Ticket", "me"]


class Slots(ClusterSlots):
    """See `targets.slots.Slots`."""

    @classmethod
    def mark_of(cls, compute: Mapping[str, object]) -> str:
        """None: these queues were named before there was another target."""
        return ""

    def is_live(self, folder: Path) -> bool:
        """See `targets.slots.Slots.is_live`."""
        return is_live(folder)
