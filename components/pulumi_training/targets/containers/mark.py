"""What a later process must know of an attempt that was submitted: its mark, in the attempt's folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...record.files import write_whole
from ...record.store import explained
from ...spec.document import Count, DamagedDocument, Shape, check_shape, object_or_none

_SHAPE: Shape = {
    "nodes": list[str],
    "agent": list[str],
    "run_id": str,
    "attempt": Count,
    "begun": bool,
    "brought": bool,
    "removed": bool,
}


@dataclass(frozen=True)
class MarkFile:
    """The file of a target's marks, `launch/<target>.json`.

    A mark has the backend's address, the nodes' names, the agent's line and how far the attempt came: `begun`, `brought`,
    `removed`.
    """

    target: str

    @property
    def name(self) -> str:
        """Its path in an attempt's folder."""
        return f"launch/{self.target}.json"

    def write(self, folder: Path, document: Mapping[str, object]) -> None:
        """Notes where an attempt is and how far it came.

        It is written before anything is made: whoever comes later asks the same backend, whatever its own
        environment says. Raises StoreError.
        """
        with explained(folder, "where the attempt is cannot be noted there"):
            write_whole(folder / self.name, json.dumps(document, indent=1).encode(), durable=False)

    def read(self, folder: Path) -> dict[str, Any]:
        """What `write` wrote, or {} where nothing was submitted from this machine, or the mark is damaged."""
        path = folder / self.name
        try:
            document = object_or_none(path.read_bytes()) or {}
            check_shape(_SHAPE, document, str(path))
        except (OSError, DamagedDocument):
            return {}
        return document
