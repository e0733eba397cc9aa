"""The workspaces this user has seen on this machine, so that the CLI finds runs without being told where."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .files import OURS, locked, write_whole
from .location import local_folder
from .staging import state_folder

LIMIT = 200
"""Workspaces kept; the ones seen longest ago go first."""


@dataclass(frozen=True)
class Workspace:
    """A store and the name of the workspace that uses it; `last_seen` in seconds since 1970 (UTC).

    `store` is the URL as it is opened, credentials left out of it by whoever remembers it.
    """

    store: str
    name: str = ""
    target: str = ""
    last_seen: float = 0.0


def remember(store_url: str, name: str = "", target: str = "") -> None:
    """Puts a workspace at the top of the list. A list that cannot be written is no reason to stop a run."""
    entry = Workspace(store_url, name, target, time.time())
    try:
        with locked(_path().with_name(f"{OURS}workspaces.lock"), timeout=2.0):
            others = [w for w in _read() if (w.store, w.name) != (store_url, name)]
            kept = [entry, *(w for w in others if _is_there(w))][:LIMIT]
            text = json.dumps({"version": 1, "workspaces": [asdict(w) for w in kept]}, indent=1)
            write_whole(_path(), text.encode(), durable=False)
    except OSError:
        return


def known() -> list[Workspace]:
    """The workspaces seen, newest first, without those whose folder is gone."""
    return [workspace for workspace in _read() if _is_there(workspace)]


def _path() -> Path:
    return state_folder() / "workspaces.json"


def _is_there(workspace: Workspace) -> bool:
    folder = local_folder(workspace.store)
    return folder is None or folder.is_dir()


def _read() -> list[Workspace]:
    try:
        entries = json.loads(_path().read_bytes())["workspaces"]
        found = [_workspace(entry) for entry in entries]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []  # not there yet, or damaged: the next `remember` writes a new one
    return sorted((w for w in found if w.store), key=lambda w: w.last_seen, reverse=True)


def _workspace(entry: dict[str, Any]) -> Workspace:
    return Workspace(
        str(entry["store"]),
        str(entry.get("name", "")),
        str(entry.get("target", "")),
        float(entry["last_seen"]),
    )
