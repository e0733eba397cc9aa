"""Secrets inside a job that its record must not hold: names in their place, and the way back.

Names look like `[secret 1]`. The values travel beside the record, from the program to the process that drives
the run, and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

_SHORT = 4
_NAME = re.compile(r"\[secret \d+\]")

SECRETS = frozenset({"secretEnvironmentVariables", "password", "buildSecrets"})
"""The wire names of the fields that are secret, in whatever model they are."""
PLAIN_IN_COMPUTE = frozenset(
    {"target", "workspace", "cluster", "maxNodes", "slotsPerNode", "gpusPerNode", "pricePerNodeHour"}
)
"""What of a cluster is never hidden: by it a run is named and queued, and it opens nothing."""
ADDRESSES_IN_COMPUTE = frozenset({"store", "trackingUri"})
"""Where a run is recorded and tracked: of these only what opens them is hidden, since whoever reads a record is there."""
TUNING = frozenset({"memory", "cpus", "shmSize", "ulimits", "user"})
"""Settings that only tune a place; they are part of the request that it is sent."""


def named(texts: Iterable[str], after: Mapping[str, str] | None = None) -> dict[str, str]:
    """A name for each of `texts`, longer ones first, so that none is hidden by a part of it.

    Those that are `after` others are numbered after them, and none of them is named again: what a record calls
    `[secret 1]` stays so where further texts come to be secret.
    """
    known = after or {}
    ordered = sorted(
        {text for text in texts if text} - {*known.values()}, key=lambda text: (-len(text), text)
    )
    return {**known, **{f"[secret {number}]": text for number, text in enumerate(ordered, len(known) + 1)}}


def hide(value: object, names: Mapping[str, str]) -> Any:
    """`value` with names in place of secrets, in every string of it."""
    longest_first = sorted(names.items(), key=lambda item: -len(item[1]))
    return _replaced(value, {text: name for name, text in longest_first})


def hide_in_compute(compute: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """A cluster with names in place of secrets; what it is found, named and tuned by stays as it is."""
    hidden = {name: hide(value, names) for name, value in compute.items() if name not in PLAIN_IN_COMPUTE}
    for name in settings_in(compute):
        kept = {setting: value for setting, value in compute[name].items() if setting in TUNING}
        hidden[name] = {**hidden[name], **kept}
    return {**compute, **hidden}


def settings_in(compute: Mapping[str, object]) -> list[str]:
    """The names of the objects in a cluster that hold settings: the map of texts, and one for each target."""
    return [name for name, value in compute.items() if isinstance(value, Mapping)]


def reveal(value: object, names: Mapping[str, str]) -> Any:
    """`value` with secrets in place of their names; a name that `names` lacks stays."""
    return _replaced(value, {name: text for name, text in names.items() if _NAME.fullmatch(name)})


def names_in(value: object) -> set[str]:
    """The names of hidden secrets that `value` holds."""
    if isinstance(value, str):
        return set(_NAME.findall(value))
    items = (
        value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
    )
    return {name for item in items for name in names_in(item)}


def variables(secrets: Mapping[str, str]) -> dict[str, str]:
    """Those of `secrets` that are environment variables of the script, not names of hidden texts."""
    return {name: value for name, value in secrets.items() if not _NAME.fullmatch(name)}


def hidden(secrets: Mapping[str, str]) -> dict[str, str]:
    """Those of `secrets` that are names of hidden texts."""
    return {name: value for name, value in secrets.items() if _NAME.fullmatch(name)}


def _replaced(value: object, replacements: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        for old, new in replacements.items():
            # A text of a letter or two is hidden where it stands alone: inside others it tells nothing.
            value = value.replace(old, new) if len(old) >= _SHORT or value == old else value
        return value
    if isinstance(value, Mapping):
        return {name: _replaced(item, replacements) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_replaced(item, replacements) for item in value]
    return value
