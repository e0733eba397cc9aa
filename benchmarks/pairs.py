"""Rounds of two or more contenders, interleaved, so that a busy machine is busy for all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")

Take = Callable[[int], float]
"""One measurement of one round; answers what it measured (seconds, mostly)."""


def timed(work: Callable[[], object]) -> Take:
    """A measurement that is the wall time of `work`, in seconds."""

    def take(_: int) -> float:
        started = time.perf_counter()
        work()
        return time.perf_counter() - started

    return take


def interleaved(contenders: Mapping[str, Take], rounds: int, *, warm_up: int = 1) -> dict[str, list[float]]:
    """`rounds` measurements of each contender, one of each per round.

    Every other round goes backwards, so that nobody always profits from what the one before left warm.
    Rounds are numbered from 0; those of the warm-up are not kept and have negative numbers.
    """
    if rounds < 1:
        raise ValueError("at least one round is needed")
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(-warm_up, rounds):
        for name in _order(list(contenders), number):
            value = contenders[name](number)
            if number >= 0:
                taken[name].append(value)
    return taken


def _order(names: Sequence[T], number: int) -> Sequence[T]:
    return names if number % 2 == 0 else names[::-1]
