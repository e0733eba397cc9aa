"""The request that a target would send, before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...spec.document import fields_of

UNKNOWN_PART = "<known after preparation>"
"""Stands in a preview's plan for what only preparation can tell."""


@dataclass(frozen=True)
class Plan:
    """The exact request that a target would send. Nothing has been sent yet, and nothing in it is secret.

    `summary` says in a few words how wide it is, for the row of a person who waits.
    """

    target: str
    run_id: str
    attempt: int
    request: Mapping[str, Any]
    slots: int = 1
    gpus: int = 0
    summary: str = ""

    @property
    def is_complete(self) -> bool:
        """Whether nothing in it still waits for preparation."""
        return UNKNOWN_PART not in repr(self.request)

    def to_json(self) -> dict[str, Any]:
        """A JSON object; `from_json` reads it back."""
        return {
            "target": self.target,
            "run_id": self.run_id,
            "attempt": self.attempt,
            "request": dict(self.request),
            "slots": self.slots,
            "gpus": self.gpus,
            "summary": self.summary,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, object], where: str = "the plan in attempt.json") -> Plan:
        """Reads what `to_json` wrote. Raises `DamagedDocument`, which names `where`."""
        return cls(**fields_of(cls, document, where))
