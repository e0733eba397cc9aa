"""The run key and the run id."""

from __future__ import annotations

import hashlib
import json
import math
import re
import unicodedata
from collections.abc import Mapping
from enum import Enum

ID_LENGTH = 44
"""A run id's most characters: `<run id>-a<attempt>` and a pod's suffix must fit a DNS label of 63."""
_SUFFIX = 10


def canonical_json(value: object) -> bytes:
    """The one JSON form of `value`: sorted keys, no spaces, UTF-8, and `1` for `1.0`.

    Pulumi's wire has only doubles, so that whole floats and integers must be the same. Raises TypeError for
    what JSON cannot say (sets, bytes, keys that are not strings), ValueError for NaN and infinities.
    """
    text = json.dumps(
        _plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode("utf-8", "surrogatepass")


def run_key(fields: Mapping[str, object], *, version: str = "v1") -> str:
    """`<version>:<hex sha256>` of the canonical JSON of `fields`: the non-default key fields."""
    return f"{version}:{hashlib.sha256(canonical_json(fields)).hexdigest()}"


def run_id(name: str, run_key: str, urn: str, workspace_id: str) -> str:
    """`<job name>-<10 hex>`: a DNS label of at most 44 characters.

    The hex digits tell apart runs of one name by key, URN and workspace; the name is for people, and what a
    DNS label cannot hold of it is left out.
    """
    suffix = hashlib.sha256(canonical_json([run_key, urn, workspace_id])).hexdigest()[:_SUFFIX]
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii").lower()
    # Accents go with the ASCII encoding; what is left apart from letters and digits becomes one dash.
    label = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[: ID_LENGTH - _SUFFIX - 1].rstrip("-")
    return f"{label or 'run'}-{suffix}"


def _plain(value: object) -> object:
    if isinstance(value, Enum):
        return _plain(value.value)
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} has no JSON form")
        return int(value) if value.is_integer() else value
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"{key!r} is no string, and JSON's keys are")
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    raise TypeError(f"{type(value).__name__} has no JSON form")
