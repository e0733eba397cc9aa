"""What a run must reach: `{"accuracy": ">=0.93", "loss": "best < 0.2"}`."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_OPERATORS = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "==": operator.eq,
    "!=": operator.ne,
}
_SYNTAX = re.compile(
    r"^\s*(?:(last|best|every)\s+)?(>=|<=|==|!=|>|<)\s*([-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?)\s*$"
)


@dataclass(frozen=True)
class Expectation:
    """A bound on a metric: on its last value, its best one, or every one it had."""

    metric: str
    which: str
    relation: str
    bound: float

    def __str__(self) -> str:
        which = "" if self.which == "last" else f"{self.which} "
        return f"{which}{self.metric} {self.relation} {self.bound:g}"


@dataclass(frozen=True)
class Unmet:
    """An expectation that a run did not meet; `actual` is None where the metric was never reported."""

    expectation: Expectation
    actual: float | None

    def __str__(self) -> str:
        e = self.expectation
        if self.actual is None:
            return f"{e.metric} was never reported; expected {e.relation} {e.bound:g}"
        if math.isnan(self.actual):
            return f"{e.metric} is not a number (NaN); expected {e.relation} {e.bound:g}"
        which = {"last": "", "best": "best ", "every": "worst "}[e.which]
        return f"{which}{e.metric} is {self.actual:g}; expected {e.relation} {e.bound:g}"


def parse(metric: str, text: str) -> Expectation:
    """Reads `[last|best|every] OPERATOR NUMBER`.

    Raises:
        ValueError: `text` is not of that form.
    """
    found = _SYNTAX.match(text)
    if not found:
        raise ValueError(f"cannot read {text!r}; write an operator and a number, as '>=0.93' or 'best <0.2'")
    try:
        bound = float(found[3])
    except ValueError:
        raise ValueError(f"cannot read the number in {text!r}; write it as 0.93") from None
    return Expectation(metric, found[1] or "last", found[2], bound)


def judge(expected: Mapping[str, str], series: Mapping[str, Sequence[float]]) -> list[Unmet]:
    """The expectations that the metrics do not meet; `series` holds every value of a metric, in order."""
    verdicts = (
        _judge_one(parse(metric, text), series.get(metric, ())) for metric, text in sorted(expected.items())
    )
    return [verdict for verdict in verdicts if verdict is not None]


def _judge_one(expectation: Expectation, values: Sequence[float]) -> Unmet | None:
    if not values:
        return Unmet(expectation, None)
    holds = _OPERATORS[expectation.relation]
    numbers = [v for v in values if not math.isnan(v)]
    if expectation.which == "last":
        candidates = [values[-1]]
    elif expectation.which == "best":
        wants_more = expectation.relation in (">", ">=")
        candidates = [(max if wants_more else min)(numbers)] if numbers else [math.nan]
    else:
        candidates = list(values)
    for value in candidates:
        if math.isnan(value) or not holds(value, expectation.bound):
            return Unmet(expectation, value)
    return None
