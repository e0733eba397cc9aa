"""The turns of runs to begin: a thousand of them that began at once would leave the event loop no core."""

from __future__ import annotations

import asyncio
import os
from typing import Final
from weakref import WeakKeyDictionary

AT_ONCE: Final = max(4, 2 * (os.cpu_count() or 1))
"""Runs that may begin at once; more would be no faster."""


def beginning() -> asyncio.Semaphore:
    """The turn of a run to begin; whoever has it waits for nothing but files."""
    loop = asyncio.get_running_loop()
    if loop not in _turns:
        _turns[loop] = asyncio.Semaphore(AT_ONCE)
    return _turns[loop]


_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()
