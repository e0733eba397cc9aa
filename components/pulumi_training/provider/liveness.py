"""Whether the engine is still there.

A killed `pulumi` leaves its plugins behind: nobody ends them, and their requests go on. The engine's address
then refuses connections.
"""

from __future__ import annotations

import asyncio
from typing import Final

EVERY: Final = 3.0
"""Seconds between two looks."""

MISSES: Final = 2
"""Refused connections in a row that mean the engine is gone."""


async def wait_until_gone(address: str, *, every: float = EVERY, misses: int = MISSES) -> None:
    """Returns when nothing listens at `address` (`host:port`) any more.

    Only a refusal counts: a slow answer is a busy machine.
    """
    refused = 0
    while refused < misses:
        await asyncio.sleep(every)
        refused = refused + 1 if await _is_refused(address) else 0


async def _is_refused(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(host.strip("[]"), int(port)), timeout=10)
    except ConnectionError:
        return True
    except (OSError, asyncio.TimeoutError):
        return False
    writer.close()
    return False
