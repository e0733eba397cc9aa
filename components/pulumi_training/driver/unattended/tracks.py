"""Tells MLflow of the runs in hand, beside them: a step for one at a time, a few runs at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sized
from contextlib import asynccontextmanager

from .hand import Hand
from .workers import Workers

SPREAD_SECONDS = 0.1
"""For each run in hand, the least time between two steps of one."""


class Tracks:
    """`hands` are all runs in hand, whether tracked or not."""

    def __init__(self, workers: Workers, hands: Sized) -> None:
        self._workers = workers
        self._hands = hands

    @asynccontextmanager
    async def beside(self, hand: Hand) -> AsyncIterator[None]:
        """Sends what is new of the attempt in hand for as long as this lasts, as far as it is tracked."""
        if hand.run.tracker is None:
            yield
            return
        hand.is_tracked = True
        task = asyncio.create_task(self._follow(hand))
        try:
            yield
        finally:
            task.cancel()

    async def finish(self, hand: Hand) -> None:
        """Sends the rest of the attempt in hand, once it has its outcome."""
        tracker = hand.run.tracker
        if tracker is not None:
            async with hand.tracking:
                await self._workers.run(tracker.finish)
        hand.is_tracked = False

    async def _follow(self, hand: Hand) -> None:
        tracker = hand.run.tracker
        assert tracker is not None
        while True:
            async with hand.tracking:
                pause = await asyncio.shield(self._workers.run(tracker.step))
            if pause is None:
                return
            await asyncio.sleep(max(pause, SPREAD_SECONDS * len(self._hands)))
