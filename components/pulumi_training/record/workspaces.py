"""The workspaces this user has seen on this machine, so that the CLI finds runs without being told where."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..spec.document import (
    DamagedDocument,
    NewerDocument,
    Time,
    UnreadableDocument,
    check_version,
    fields_of,
    fitting,
    parse_object,
)
from ..spec.errors import SpecError
from ..spec.urls import without_credentials
from .files import OURS, locked, write_whole
from .location import local_folder
from .staging import state_folder

_VERSION = 1
_ADVICE = "The next `pulumi up` puts it aside and begins a new one; --store names a store until then"
LIMIT = 200
"""Workspaces kept; the ones seen longest ago go first."""


@dataclass(frozen=True)
class Workspace:
    """A store and the name of the workspace that uses it; `last_seen` in seconds since 1970 (UTC).

    `store` is the URL as it is opened, without the credentials in it: the service's own chain must have others.
    """

    store: str
    name: str = ""
    target: str = ""
    last_seen: Time = 0.0


def remember(store_url: str, name: str = "", target: str = "") -> None:
    """Puts a workspace at the top of the list. A list that cannot be written is no reason to stop a run."""
    store_url = without_credentials(store_url)
    entry = Workspace(store_url, name, target, time.time())
    try:
        with locked(_path().with_name(f"{OURS}workspaces.lock"), timeout=2.0):
            problem = damage()
            if isinstance(problem, NewerDocument):
                return
            if problem is not None:
                _path().replace(_path().with_suffix(".damaged.json"))
            others = [w for w in _read() if (w.store, w.name) != (store_url, name)]
            kept = [entry, *(w for w in others if _is_there(w))][:LIMIT]
            text = json.dumps({"version": _VERSION, "workspaces": [asdict(w) for w in kept]}, indent=1)
            write_whole(_path(), text.encode(), durable=False)
    except OSError:
        return


def known() -> list[Workspace]:
    """The workspaces seen, newest first, without those whose folder is gone."""
    return [workspace for workspace in _read() if _is_there(workspace)]


def _path() -> Path:
    return state_folder() / "workspaces.json"


def damage() -> UnreadableDocument | None:
    """What is wrong with the list, None where it can be read or is not there yet.

    The next `remember` puts a damaged one aside, as `workspaces.damaged.json`, and begins a new one.
    """
    try:
        _document()
    except UnreadableDocument as error:
        return error
    return None


def _is_there(workspace: Workspace) -> bool:
    try:
        folder = local_folder(workspace.store)
        return folder is None or folder.is_dir()
    except (SpecError, ValueError, OSError):
        return False  # no store can be there


def _read() -> list[Workspace]:
    try:
        entries = _document()
    except UnreadableDocument:
        return []  # `damage` says why
    found = [each for each in map(_workspace, entries) if each is not None and each.store]
    return sorted(found, key=lambda w: w.last_seen, reverse=True)


def _document() -> list[Any]:
    """The entries of the list. Raises `UnreadableDocument`."""
    where = str(_path())
    try:
        document = parse_object(_path().read_bytes(), where, _ADVICE)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise DamagedDocument(where, f"it cannot be read ({error.strerror or error})", _ADVICE) from error
    check_version(document, where, _VERSION, _ADVICE)
    found = fitting({"workspaces": list[Any]}, document, where, _ADVICE)
    if "workspaces" not in found:
        raise DamagedDocument(where, "`workspaces` is missing", _ADVICE)
    entries: list[Any] = found["workspaces"]
    return entries


def _workspace(entry: object) -> Workspace | None:
    """One of the list, None for a line that is none: the others count."""
    try:
        return Workspace(**fields_of(Workspace, entry, "")) if isinstance(entry, dict) else None
    except DamagedDocument:
        return None
