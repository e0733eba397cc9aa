"""What server, target and tests agree on. No import of the product: the descriptor loads this."""

from __future__ import annotations

import hashlib

TARGET = "unattended"
CREDENTIAL = "UNATTENDED_TOKEN"
"""The environment variable with what opens the service."""
ADDRESS = "address"
"""The setting of the cluster that has the service's address."""
FOLDER = "@FOLDER@"
"""Stands in a request for the attempt's folder at the service."""


def name_of(run_id: str, attempt: int, store: str) -> str:
    """An attempt's name at the service."""
    return f"{run_id}-{hashlib.sha256(store.encode()).hexdigest()[:10]}-a{attempt}"
