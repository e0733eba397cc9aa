"""What a person who waits sees of a live attempt: its metrics, or the last line that its script printed."""

from __future__ import annotations

import math
from typing import Any

from ..record.attempt import Attempt
from ..record.logs import tail
from ..record.metrics import MetricsReader, Point, progress_line

_LINE_BYTES = 400


class Row:
    """Reads an attempt's files as they grow. Memory stays flat however many metrics there are.

    `prefers_lines` shows the script's own lines even where it reports metrics.
    """

    def __init__(self, attempt: Attempt, rank: int, *, prefers_lines: bool = False) -> None:
        self._attempt = attempt
        self._rank = rank
        self._prefers_lines = prefers_lines
        self._metrics = MetricsReader(attempt, rank)
        self._last_line = ""

    def changes(self) -> dict[str, Any]:
        """What is new since the last call, as fields of the attempt's document."""
        changes: dict[str, Any] = {}
        if self._metrics.read_new():
            changes["metrics"] = finite(self._metrics.last_values())
            merged: dict[str, float] = {}
            for point in self._metrics.points:
                merged.update(point.values)
            self._metrics.points = [Point(merged)]
        if self._metrics.points and not self._prefers_lines:
            if changes:
                changes["progress"] = progress_line(self._metrics.points)
            return changes
        line = self._printed()
        if line and line != self._last_line:
            self._last_line = line
            changes["progress"] = line
        return changes

    def _printed(self) -> str:
        """The last line that is not blank; a progress bar's redrawn line counts by its last state."""
        text = tail(self._attempt, self._rank, lines=5, max_bytes=_LINE_BYTES)
        lines = [part.strip() for line in text.splitlines() for part in line.split("\r") if part.strip()]
        return lines[-1] if lines else ""


def finite(values: dict[str, float]) -> dict[str, float]:
    """NaN and infinities are no JSON numbers; the series keeps them."""
    return {name: value for name, value in values.items() if math.isfinite(value)}
