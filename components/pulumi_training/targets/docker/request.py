"""Where things are in a container, and what a later process must know of an attempt."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...record.files import write_whole
from ...record.store import explained
from ...spec.document import Count, DamagedDocument, Shape, check_shape, object_or_none

AGENT_FOLDER = "/training/agent"
"""In memory where the node's processes are root's: of many small files the volume's disk makes a lasting affair."""
AGENT = f"{AGENT_FOLDER}/__main__.py"
SHELL_FILE = f"{AGENT_FOLDER}/remote-shell"
"""What launchers call in place of ssh: `agent exec` as one file, because hydra takes no words after it."""
SECRET_FILE = "/training/secret"
ROOT_USER = [0, 0]
"""The user and the group of a node's processes, where those are root's."""
_MARK = "launch/docker.json"
_SHAPE: Shape = {
    "nodes": list[str],
    "agent": list[str],
    "run_id": str,
    "attempt": Count,
    "begun": bool,
    "brought": bool,
    "removed": bool,
}


def write_mark(folder: Path, document: Mapping[str, Any]) -> None:
    """Notes where an attempt is and how far its submission came: daemon, nodes, the agent's line, `begun`.

    It is written before anything is made: whoever comes later asks the same daemon, whatever its own
    environment says. Raises StoreError.
    """
    with explained(folder, "where the attempt is cannot be noted there"):
        write_whole(folder / _MARK, json.dumps(document, indent=1).encode(), durable=False)


def read_mark(folder: Path) -> dict[str, Any]:
    """What `write_mark` wrote, or {} where nothing was submitted from this machine, or the mark is damaged."""
    path = folder / _MARK
    try:
        document = object_or_none(path.read_bytes()) or {}
        check_shape(_SHAPE, document, str(path))
    except (OSError, DamagedDocument):
        return {}
    return document
