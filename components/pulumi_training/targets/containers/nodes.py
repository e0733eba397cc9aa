"""The nodes of an attempt as a backend tells of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from ...spec.errors import TransientError

_THREADS = 8
_T = TypeVar("_T")
_R = TypeVar("_R")


@dataclass(frozen=True)
class NodeState:
    """A node's container as its backend tells.

    `id` is the transport's own reference, which nobody else reads. `status` is one of created, running, paused,
    restarting, exited, dead, and gone where it was there a moment ago. `ended_at` is in seconds since 1970 (UTC);
    a node whose end has no time counts as one that ended before its run did. `noun` is what the backend calls a node.
    """

    node: int
    id: str
    name: str
    status: str
    exit_code: int | None = None
    was_out_of_memory: bool = False
    ended_at: float | None = None
    noun: str = "container"

    @property
    def is_running(self) -> bool:
        """Whether its processes can live; a paused container's can."""
        return self.status in ("running", "paused", "restarting")

    @property
    def words(self) -> str:
        """How it ended."""
        what = f"{self.noun} {self.name}"
        if self.was_out_of_memory:
            return f"{what} ran out of memory"
        code = "" if self.exit_code is None else f" with exit code {self.exit_code}"
        return f"{what} ended{code}" if self.status != "gone" else f"{what} is gone"


class NodeEnded(TransientError):
    """A node ended, or was taken away, before it did what it was asked; the next look at the states tells more."""


def together(work: Callable[[_T], _R], items: Sequence[_T]) -> list[_R]:
    """Does the same for each, a few at a time; raises the first trouble after all have ended."""
    if len(items) < 2:
        return [work(item) for item in items]
    with ThreadPoolExecutor(min(_THREADS, len(items)), thread_name_prefix="nodes") as pool:
        return [done.result() for done in [pool.submit(work, item) for item in items]]
