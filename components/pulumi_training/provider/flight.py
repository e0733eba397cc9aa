"""The calls that are running, so that Cancel reaches them and the end of the plugin waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from .handler import Cancellation


class Flight:
    """The calls in flight, each with its cancellation."""

    def __init__(self) -> None:
        self._running: set[Cancellation] = set()
        self._is_cancelled = self._is_detached = False
        self._landed = asyncio.Event()
        self._landed.set()

    @property
    def is_idle(self) -> bool:
        """Whether no call is running."""
        return not self._running

    @contextmanager
    def call(self) -> Iterator[Cancellation]:
        """Counts one call while the block runs.

        A request may overtake another: a call that begins after `detach`, or while calls that were canceled
        still run, is told from the start.
        """
        cancellation = Cancellation()
        if self._is_detached:
            cancellation.detach()
        elif self._is_cancelled:
            cancellation.set()
        self._running.add(cancellation)
        self._landed.clear()
        try:
            yield cancellation
        finally:
            self._running.discard(cancellation)
            if not self._running:
                self._is_cancelled = False
                self._landed.set()

    def cancel(self) -> bool:
        """Tells every call that the user asked to stop; False when none runs."""
        self._is_cancelled = not self.is_idle
        for cancellation in self._running:
            cancellation.set()
        return self._is_cancelled

    def detach(self) -> None:
        """Tells every call that nobody waits for its answer any more."""
        self._is_detached = True
        for cancellation in self._running:
            cancellation.detach()

    async def wait_idle(self, timeout: float | None = None) -> bool:
        """Waits, at most `timeout` seconds, until no call runs; False when some still do."""
        try:
            await asyncio.wait_for(self._landed.wait(), timeout)
        except asyncio.TimeoutError:
            return False
        return True
