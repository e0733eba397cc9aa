"""What lists a run's objects at the daemon: filters by their labels, as the engine takes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..containers import names


def filters(run_id: str, attempt: int, store: str = "") -> dict[str, Any]:
    """The objects of an attempt; those of others too, that `names.is_own` then tells apart."""
    return _by(names.labels_to_find(run_id, attempt, store))


def of_workspace(compute: Mapping[str, object], store: str) -> dict[str, Any]:
    """The objects of every attempt of a workspace; `store` is the identity of its store."""
    return _by(names.labels_of_workspace(compute, store))


def of_user() -> dict[str, Any]:
    """The objects that were made from this user's state folder."""
    return _by(names.labels_of_user())


def _by(labels: Mapping[str, str]) -> dict[str, Any]:
    return {"label": [f"{name}={value}" for name, value in labels.items()]}
