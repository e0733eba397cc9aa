"""Inputs that are secrets by what they are, whether the program marked them or not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..spec.reading import SECRETS
from .wire import Secret

_LEADING = ("environment", "imageRegistry")
"""Objects that may hold a secret; maps of the user's own names are not looked into."""


def with_secrets_marked(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """`inputs` with every property that the models call secret marked so, at whatever depth."""
    return {name: _marked(name, value) for name, value in inputs.items()}


def _marked(name: str, value: Any) -> Any:
    if isinstance(value, Secret) or value is None:
        return value
    if name in SECRETS:
        return Secret(value)
    return with_secrets_marked(value) if name in _LEADING and isinstance(value, Mapping) else value
