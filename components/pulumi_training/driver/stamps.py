"""When documents were last written, asked for many followers at once in a thread of its own.

The loop that serves them asks the file system nothing itself: beside busy threads each such question costs it a turn of
theirs, and hundreds a second would keep all other requests waiting.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from weakref import WeakKeyDictionary


async def stamp_of(path: Path) -> str:
    """Changes when the file may have; empty where there is none."""
    loop = asyncio.get_running_loop()
    if loop not in _of_loops:
        _of_loops[loop] = _Stamps(loop)
    return await _of_loops[loop].of(path)


class _Stamps:
    """Those of one loop: what is asked while a thread looks is asked by its next look."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: list[tuple[Path, asyncio.Future[str]]] = []
        self._looking: asyncio.Task[None] | None = None

    def of(self, path: Path) -> asyncio.Future[str]:
        found = self._loop.create_future()
        self._waiting.append((path, found))
        if self._looking is None:
            self._looking = self._loop.create_task(self._look())
        return found

    async def _look(self) -> None:
        asked: list[tuple[Path, asyncio.Future[str]]] = []
        try:
            while self._waiting:
                asked, self._waiting = self._waiting, []
                paths = {path for path, _ in asked}
                stamps = await self._loop.run_in_executor(_thread(), _stamps, paths)
                for path, found in asked:
                    if not found.done():
                        found.set_result(stamps[path])
        finally:
            self._looking = None
            for _, found in (*asked, *self._waiting):
                found.cancel()


def _stamps(paths: Iterable[Path]) -> dict[Path, str]:
    return {path: _stamp(path) for path in paths}


def _stamp(path: Path) -> str:
    try:
        found = path.stat()
    except OSError:
        return ""
    return f"{found.st_ino} {found.st_mtime_ns}"


@functools.cache
def _thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="training-stamps")


_of_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, _Stamps] = WeakKeyDictionary()
