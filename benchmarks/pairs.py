"""Rounds of two or more contenders, interleaved, so that a busy machine is busy for all of them.

Where two checkouts are compared, each round of a benchmark waits for its turn, and peers are left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

Take = Callable[[int], float]
"""One measurement of one round; answers what it measured (seconds, mostly)."""


@dataclass
class Turns:
    """How rounds are taken in this process: `wait` returns when the next one may begin."""

    wait: Callable[[], None] = lambda: None
    with_peers: bool = True


turns = Turns()


def each(rounds: int, *, warm_up: int = 0) -> Iterator[int]:
    """The numbers of rounds, each in its turn; those of the warm-up are negative."""
    for number in range(-warm_up, rounds):
        turns.wait()
        yield number


def timed(work: Callable[[], object]) -> Take:
    """A measurement that is the wall time of `work`, in seconds."""

    def take(_: int) -> float:
        started = time.perf_counter()
        work()
        return time.perf_counter() - started

    return take


def interleaved(contenders: Mapping[str, Take], rounds: int, *, warm_up: int = 1) -> dict[str, list[float]]:
    """`rounds` measurements of each contender, one of each per round; ours is the first of them.

    Every other round goes backwards, so that nobody always profits from what the one before left warm.
    Rounds are numbered from 0; those of the warm-up are not kept and have negative numbers.
    """
    if rounds < 1:
        raise ValueError("at least one round is needed")
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    wanted = list(contenders) if turns.with_peers else list(contenders)[:1]
    for number in each(rounds, warm_up=warm_up):
        for name in _order(wanted, number):
            value = contenders[name](number)
            if number >= 0:
                taken[name].append(value)
    return taken


def _order(names: Sequence[T], number: int) -> Sequence[T]:
    return names if number % 2 == 0 else names[::-1]
