"""Times as documents for other programs have them."""

from __future__ import annotations

from datetime import datetime, timezone


def iso(seconds: float | None) -> str | None:
    """A time as `2026-01-31T12:00:00Z`."""
    if not seconds:
        return None
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
