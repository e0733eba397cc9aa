"""The daemons that this user has used from this machine, so that what is left there is found."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress

from ...record.files import locked, write_whole
from ...record.staging import state_folder
from ...spec.document import value_or_none

_LIMIT = 50


def remember(address: Mapping[str, str]) -> None:
    """Notes a daemon. A list that cannot be written is no reason to stop a run."""
    known = used()
    if dict(address) in known:
        return
    path = state_folder() / "docker-daemons.json"
    with suppress(OSError), locked(path.with_suffix(".lock"), timeout=2.0):
        content = [dict(address), *(each for each in used() if each != address)][:_LIMIT]
        write_whole(path, json.dumps(content, indent=1).encode(), durable=False)


def used() -> list[dict[str, str]]:
    """The addresses (`address.address_of`) of the daemons used, those that came last first."""
    try:
        found = value_or_none((state_folder() / "docker-daemons.json").read_bytes())
    except OSError:
        return []  # not there yet, or damaged: the next run writes a new one
    lines = found if isinstance(found, list) else []
    return [
        {str(name): str(value) for name, value in each.items()} for each in lines if isinstance(each, dict)
    ]
