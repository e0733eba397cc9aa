"""A bounded pool of threads for what blocks. They are daemons: no process waits at its end for a service that hangs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Workers:
    """At most `size` threads, each started when there is work and none is free."""

    def __init__(self, name: str, size: int) -> None:
        self._name = name
        self._size = size
        self._orders: SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = SimpleQueue()
        self._free = threading.Semaphore(0)
        self._guard = threading.Lock()
        self._started = 0

    async def run(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Does `work` in a thread and waits for it; what it raises is raised here.

        A thread cannot be interrupted: where the wait is cancelled, the work goes on.
        """
        future: Future[R] = Future()
        self._orders.put((future, lambda: work(*args, **kwargs)))
        self._see_to_a_thread()
        return await asyncio.wrap_future(future)

    def _see_to_a_thread(self) -> None:
        if self._free.acquire(blocking=False):
            return
        with self._guard:
            if self._started == self._size:
                return
            self._started += 1
            name = f"{self._name}-{self._started}"
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def _work(self) -> None:
        while True:
            future, work = self._orders.get()
            if future.set_running_or_notify_cancel():
                try:
                    result = work()
                except BaseException as error:  # noqa: BLE001 - whoever waits for it is told
                    future.set_exception(error)
                else:
                    future.set_result(result)
                    del result
            del future, work
            if self._orders.empty():
                self._free.release()
