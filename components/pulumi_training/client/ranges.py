"""Reads a file of a store in ranges, some of them ahead: one request at a time leaves most of a line unused."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future

FIRST = 8 << 20
"""Bytes of the first range. They double from there, for every request costs the same however much it brings."""
MOST = 16 << 20
"""Larger ones save nothing any more: a request is small beside them, and pieces of over 32 MB are memory that glibc takes
from the kernel anew each time, which costs as much as the bytes do."""
_SLOW = 4.0
"""Ranges that take so many seconds do not grow: whoever interrupts a download waits for those on the way."""
AT_ONCE = 4
"""Ranges on the way or waiting to be written, of all files of a download together: 64 MB of memory at most."""

Read = Callable[[int, int], bytes]
"""The bytes from a place on, at most so many; none where the file ends."""


def in_order(read: Read, begin: int, end: int, pool: Executor, ahead: int) -> Iterator[bytes]:
    """The bytes from `begin` to `end` in order, in pieces; `ahead` ranges are read in `pool` at a time.

    Ends early where the file does. Raises what `read` raises.
    """
    waiting: deque[Future[tuple[bytes, float]]] = deque()
    count, at = FIRST, begin
    try:
        while at < end or waiting:
            while at < end and len(waiting) < ahead:
                waiting.append(pool.submit(_whole, read, at, min(count, end - at)))
                at = min(at + count, end)
            data, took = waiting.popleft().result()
            if not data:
                return
            yield data
            if took < _SLOW:
                count = min(count * 2, MOST)
    finally:
        for future in waiting:
            future.cancel()


def _whole(read: Read, start: int, count: int) -> tuple[bytes, float]:
    """A range, and the seconds it took; shorter only where the file ends in it."""
    started = time.monotonic()
    data = read(start, count)
    while 0 < len(data) < count:
        more = read(start + len(data), count - len(data))
        if not more:
            break
        data += more
    return data, time.monotonic() - started
