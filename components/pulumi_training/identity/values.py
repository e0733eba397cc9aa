"""Wire values as `why` sees them: which are equal, which may be shown."""

from __future__ import annotations

import json
from collections.abc import Mapping

UNKNOWN_SENTINEL = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""The string that stands for a value not known yet in Pulumi's protocol (`UNKNOWN` in its SDKs)."""
_SHOWN = 60


def same(old: object, new: object) -> bool:
    """Whether two wire values are equal: 1 is 1.0, but not true; 1 and "1" differ."""
    if isinstance(old, bool) or isinstance(new, bool):
        return old is new
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return old.keys() == new.keys() and all(same(old[name], new[name]) for name in old)
    if isinstance(old, list | tuple) and isinstance(new, list | tuple):
        return len(old) == len(new) and all(map(same, old, new))
    if is_unknown(old) or is_unknown(new):
        # Two unknowns may turn out to be two values.
        return False
    return bool(old == new)


def is_unknown(value: object) -> bool:
    """Whether `value` stands for one that is not known yet: the protocol's sentinel or an `Unknown`."""
    if isinstance(value, str):
        return value == UNKNOWN_SENTINEL
    return type(value).__name__.lstrip("_").startswith("Unknown")


def is_opaque(value: object) -> bool:
    """Whether `value` itself is not plain JSON, hence may be a secret's wrapper."""
    return not isinstance(value, str | int | float | list | tuple | Mapping | type(None))


def is_plain_text(value: object) -> bool:
    """Whether `value` is a string."""
    return isinstance(value, str)


def show(value: object) -> str:
    """`value` for a message, at most 60 characters: text as it is where that is clear, else as JSON."""
    if isinstance(value, str) and value and value.isprintable() and value == value.strip():
        text = value
    else:
        text = json.dumps(_shown(value), ensure_ascii=False, sort_keys=True)
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def _shown(value: object) -> object:
    if is_unknown(value):
        return "[unknown]"
    if is_opaque(value):
        return "[secret]"
    if isinstance(value, Mapping):
        return {str(name): _shown(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_shown(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
