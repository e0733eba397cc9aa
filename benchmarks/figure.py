"""One line of the table: what was measured, against what, and whether it is within its bound."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Unit(str, Enum):
    """What the numbers of a figure are."""

    SECONDS = "s"
    MEGABYTES = "MB"
    BYTES = "bytes"


class Kind(str, Enum):
    """What a bound is about."""

    RATIO = "ratio"  # ours / peer
    OVER = "over"  # ours - peer
    MOST = "most"  # ours alone


@dataclass(frozen=True)
class Bound:
    """At most `limit`: a ratio, or a number in the figure's unit. None measures without a bound."""

    kind: Kind
    limit: float | None


def ratio(limit: float | None) -> Bound:
    """Ours is at most `limit` times the peer."""
    return Bound(Kind.RATIO, limit)


def over(limit: float | None) -> Bound:
    """Ours is at most `limit` more than the peer, in the figure's unit."""
    return Bound(Kind.OVER, limit)


def most(limit: float | None) -> Bound:
    """Ours is at most `limit`, in the figure's unit."""
    return Bound(Kind.MOST, limit)


@dataclass(frozen=True)
class Figure:
    """Measurements of ours and of a peer or floor, in pairs where there are both.

    `trouble` says why a figure could not be measured; it is over its bound then.
    """

    name: str
    ours: Sequence[float]
    bound: Bound
    peer: Sequence[float] = ()
    peer_name: str = ""
    unit: Unit = Unit.SECONDS
    trouble: str = ""

    @property
    def value(self) -> float:
        """What the bound is about, from the medians."""
        if self.bound.kind is Kind.MOST:
            return statistics.median(self.ours)
        return self._compare(statistics.median(self.ours), statistics.median(self.peer))

    @property
    def spread(self) -> tuple[float, float]:
        """The least and the greatest of what the bound is about, pair by pair."""
        if self.bound.kind is Kind.MOST:
            return min(self.ours), max(self.ours)
        each = [self._compare(a, b) for a, b in zip(self.ours, self.peer, strict=True)]
        return min(each), max(each)

    @property
    def is_within(self) -> bool | None:
        """Whether the bound is kept; None where there is none."""
        if self.trouble:
            return False
        return None if self.bound.limit is None else self.value <= self.bound.limit

    def to_json(self) -> dict[str, Any]:
        """The figure with every measurement."""
        document: dict[str, Any] = {
            "name": self.name,
            "unit": self.unit.value,
            "ours": list(self.ours),
            "peer_name": self.peer_name,
            "peer": list(self.peer),
            "bound": {"kind": self.bound.kind.value, "limit": self.bound.limit},
            "within": self.is_within,
        }
        if self.trouble:
            return {**document, "trouble": self.trouble}
        low, high = self.spread
        return {**document, "value": self.value, "min": low, "max": high}

    def _compare(self, ours: float, peer: float) -> float:
        return ours - peer if self.bound.kind is Kind.OVER else ours / peer


def failed(name: str, trouble: str) -> Figure:
    """The line of a benchmark that could not be carried out."""
    return Figure(name, (), most(None), trouble=trouble)
