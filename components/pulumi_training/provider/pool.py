"""Threads for blocking work, apart from the event loop's own.

The SDK registers the children of a component on the loop's default executor, so an hour spent in that one
would hang components; see `main`, which also makes the default one large.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

SIZE: Final = 64
"""Blocking calls that may run at once; threads are started only when needed."""


@functools.cache
def executor() -> ThreadPoolExecutor:
    """The one pool of this process."""
    return ThreadPoolExecutor(SIZE, thread_name_prefix="training")


async def blocking(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Runs `work` in a thread of the pool and waits for it; what it raises is raised here.

    A thread cannot be interrupted: cancelling the wait leaves the work running.
    """
    context = contextvars.copy_context()
    call = functools.partial(context.run, work, *args, **kwargs)
    return await asyncio.get_running_loop().run_in_executor(executor(), call)
