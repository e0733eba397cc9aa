"""What is said about a Docker plan without the job's model, and what a later process must know of an attempt."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...launch.request import Limits
from ...record.files import write_whole

MASTER_PORT = 29500
"""Every run has network name spaces of its own, so the port is free."""
AGENT = "/training/agent/__main__.py"
SHELL_FILE = "/training/agent/remote-shell"
"""What launchers call in place of ssh: `agent exec` as one file, because hydra takes no words after it."""
SECRET_FILE = "/training/secret"
_MARK = "launch/docker.json"


def limits(document: Mapping[str, Any]) -> Limits:
    """The limits that the agent keeps, from a job as recorded."""
    return Limits(
        run_seconds=document["maxRunDurationSeconds"],
        stall_seconds=document["stallTimeoutSeconds"],
        grace_seconds=document["gracePeriodSeconds"],
    )


def write_mark(folder: Path, document: Mapping[str, Any]) -> None:
    """Notes where an attempt is and how far its submission came: daemon, nodes, the agent's line, `begun`.

    It is written before anything is made: whoever comes later asks the same daemon, whatever its own
    environment says.
    """
    write_whole(folder / _MARK, json.dumps(document, indent=1).encode(), durable=False)


def read_mark(folder: Path) -> dict[str, Any]:
    """What `write_mark` wrote, or {} where nothing was submitted from this machine."""
    try:
        document = json.loads((folder / _MARK).read_bytes())
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}
