"""What ranks reported through TRAINING_METRICS: JSON lines, read so that no bad line stops a run."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from ..spec.document import object_or_none
from .attempt import Attempt
from .store import NotFound

STEP, TOTAL = "step", "total"
_CHUNK = 1024 * 1024


@dataclass(frozen=True)
class Point:
    """One reported line: numbers by name; `step` and `total` among them where the script gave them."""

    values: dict[str, float]

    @property
    def step(self) -> float | None:
        """The step it was reported at."""
        return self.values.get(STEP)


@dataclass
class MetricsReader:
    """Reads a rank's file from where it stopped; `skipped` counts lines that were not objects with numbers.

    Booleans count as 0 and 1, numbers in strings as numbers (`"0.5"`, `"NaN"`); other values are left out.
    Nested objects become dotted names.
    """

    attempt: Attempt
    rank: int = 0
    cursor: int = 0
    skipped: int = 0
    points: list[Point] = field(default_factory=list)

    def read_new(self, *, ended: bool = False) -> list[Point]:
        """The points since the last call, also added to `points`. A torn last line counts once `ended`."""
        found: list[Point] = []
        while data := self._read(self.cursor):
            end = data.rfind(b"\n") + 1
            is_last = len(data) < _CHUNK
            if (ended and is_last) or (not end and not is_last):
                end = len(data)
            if not end:
                break
            for line in data[:end].splitlines():
                if not line.strip():
                    continue
                point = parse(line)
                if point:
                    found.append(point)
                else:
                    self.skipped += 1
            self.cursor += end
        self.points += found
        return found

    def last_values(self) -> dict[str, float]:
        """The last value of each name, `step` and `total` left out."""
        return last_values(self.points)

    def series(self, name: str) -> list[tuple[float, float]]:
        """`(step, value)` of one name in order; lines without a step count up from 0."""
        return series(self.points, name)

    def progress(self) -> tuple[float, float | None] | None:
        """The last step and the total, if any was reported."""
        return progress(self.points)

    def _read(self, start: int) -> bytes:
        name = f"metrics/rank-{self.rank}.jsonl"
        data = self.attempt.read_staged(name, start, _CHUNK)
        if data is not None:
            return data
        try:
            return self.attempt.store.read(f"{self.attempt.prefix}/{name}", start, _CHUNK)
        except NotFound:
            return b""


def read_metrics(attempt: Attempt, rank: int = 0, *, ended: bool = True) -> MetricsReader:
    """A reader that has read all there is of a rank."""
    reader = MetricsReader(attempt, rank)
    reader.read_new(ended=ended)
    return reader


def parse(line: bytes) -> Point | None:
    """The numbers of one line, None where it is no JSON object or has none. NaN and Infinity are numbers."""
    value = object_or_none(line)
    if value is None:
        return None
    values: dict[str, float] = {}
    _flatten(value, "", values)
    return Point(values) if values else None


def last_values(points: list[Point]) -> dict[str, float]:
    """The last value of each name in `points`, `step` and `total` left out."""
    last: dict[str, float] = {}
    for point in points:
        last.update(point.values)
    return {name: value for name, value in last.items() if name not in (STEP, TOTAL)}


def series(points: list[Point], name: str) -> list[tuple[float, float]]:
    """`(step, value)` of `name` in order; points without a step count up from 0."""
    found = [point for point in points if name in point.values]
    return [(float(i) if p.step is None else p.step, p.values[name]) for i, p in enumerate(found)]


def progress(points: list[Point]) -> tuple[float, float | None] | None:
    """The last step with the last total, None before the first step."""
    step = next((p.step for p in reversed(points) if p.step is not None), None)
    if step is None:
        return None
    return step, next((p.values[TOTAL] for p in reversed(points) if TOTAL in p.values), None)


def progress_line(points: list[Point], *, names: int = 4) -> str:
    """The row of a person: `step 3/10  loss 0.41  accuracy 0.93`; empty before the first point."""
    words = []
    place = progress(points)
    if place:
        step, total = place
        words.append(f"step {step:g}" + (f"/{total:g}" if total else ""))
    words += [f"{name} {_short(value)}" for name, value in list(last_values(points).items())[:names]]
    return "  ".join(words)


def _short(value: float) -> str:
    return str(value) if not math.isfinite(value) else f"{value:.4g}"


def _flatten(value: dict[str, Any], prefix: str, into: dict[str, float]) -> None:
    for key, item in value.items():
        name = f"{prefix}{key}"
        if isinstance(item, dict):
            _flatten(item, f"{name}.", into)
            continue
        if isinstance(item, (bool, int, float, str)):
            try:
                into[name] = float(item)
            except (ValueError, OverflowError):
                continue
