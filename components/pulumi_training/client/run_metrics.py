"""Every value that a run's script reported, by name: what `get_metrics` answers."""

from __future__ import annotations

from typing import Any

from ..record.attempt import Attempt
from ..record.metrics import STEP, TOTAL
from ..spec.document import object_or_none


def reported(attempt: Attempt, rank: int) -> dict[str, Any]:
    """The values of each name as one rank reported them: one value, or the list of all where there are more.

    `step` and `total` are left out where they say the place of other values, objects have dotted names, texts and NaN
    are as they were written.
    """
    series: dict[str, list[Any]] = {}
    for line in (attempt.read_file(f"metrics/rank-{rank}.jsonl") or b"").splitlines():
        point = object_or_none(line)  # torn, or no JSON: `metrics.MetricsReader` counts them
        if point is not None:
            is_alone = len(point) == 1  # `run.log("total", 7)`
            _add({n: v for n, v in point.items() if is_alone or n not in (STEP, TOTAL)}, "", series)
    return {name: values[0] if len(values) == 1 else values for name, values in series.items()}


def _add(point: dict[str, Any], prefix: str, series: dict[str, list[Any]]) -> None:
    for name, value in point.items():
        if isinstance(value, dict):
            _add(value, f"{prefix}{name}.", series)
        else:
            series.setdefault(f"{prefix}{name}", []).append(value)
