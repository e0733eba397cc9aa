"""Threads for blocking work, apart from the event loop's own.

The SDK registers the children of a component on the loop's default executor, so an hour spent in that one
would hang components; see `main`, which also makes the default one large.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

SIZE: Final = 64
"""Blocking calls that may run at once; threads are started only when needed."""
SHORT_SIZE: Final = 8
"""Further ones, of questions: a thousand operations that begin would keep each of them waiting for a minute."""


@functools.cache
def executor() -> ThreadPoolExecutor:
    """The pool of this process's operations."""
    return ThreadPoolExecutor(SIZE, thread_name_prefix="training")


@functools.cache
def _short_executor() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(SHORT_SIZE, thread_name_prefix="training-short")


@contextmanager
def short() -> Iterator[None]:
    """What the block gives to `blocking` is a question: it waits behind no operation."""
    token = _is_short.set(True)
    try:
        yield
    finally:
        _is_short.reset(token)


async def blocking(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Runs `work` in a thread of the pool and waits for it; what it raises is raised here.

    A thread cannot be interrupted: cancelling the wait leaves the work running.
    """
    context = contextvars.copy_context()
    call = functools.partial(context.run, work, *args, **kwargs)
    pool = _short_executor() if _is_short.get() else executor()
    return await asyncio.get_running_loop().run_in_executor(pool, call)


_is_short = contextvars.ContextVar("is_short", default=False)
