"""A run in this process's hands, as the loop sees it, and the beats of its lock."""

from __future__ import annotations

import asyncio
import logging
import threading

from ...spec.errors import TrainingError
from .run import DrivenRun
from .workers import Workers

log = logging.getLogger(__name__)
BEAT_SECONDS = 10.0
_AT_ONCE = 50
"""Locks that one piece of work says a beat of."""


class Hand:
    """A run and what drives it. `looked` is set when its service was asked once and it goes on, or is settled.

    `is_in_step` says that a step is under way which should not be cut off, `is_tracked` that MLflow lags behind.
    """

    def __init__(self, run: DrivenRun) -> None:
        self.run = run
        self.task: asyncio.Task[None] | None = None
        self.looked = threading.Event()
        self.tracking = asyncio.Lock()
        self.is_in_step = False
        self.is_tracked = False


async def beat_on(hands: dict[str, Hand], workers: Workers) -> None:
    """Says for every run in hand that its driver lives; one that another machine took over is let go of."""
    while True:
        await asyncio.sleep(BEAT_SECONDS)
        held = list(hands.values())
        pieces = [held[start : start + _AT_ONCE] for start in range(0, len(held), _AT_ONCE)]
        for lost in await asyncio.gather(*(workers.run(_beat, piece) for piece in pieces)):
            for hand in lost:
                log.warning("run %s is driven by another machine now", hand.run.record.run_id)
                if hand.task is not None:
                    hand.task.cancel()


def _beat(hands: list[Hand]) -> list[Hand]:
    """Those whose lock another machine has taken over."""
    lost = []
    for hand in hands:
        try:
            if hand.run.lock.is_held_here() and not hand.run.lock.beat():
                lost.append(hand)
        except TrainingError as error:
            log.info("%s: %s", hand.run.record.run_id, error.message)  # others give us their patience
    return lost
