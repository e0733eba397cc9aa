"""One scan for many callers: a hundred jobs over one source tree read it a few times, not a hundred."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from ..spec.errors import SpecError

T = TypeVar("T")


@dataclass(frozen=True)
class _Landed(Generic[T]):
    started_at: float
    result: T | None = None
    refused: SpecError | None = None


class _Slot(Generic[T]):
    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.is_running = False
        self.landed: _Landed[T] | None = None


class Flights(Generic[T]):
    """Runs work by key, one at a time per key, and shares results that are fresh enough.

    A caller gets a result whose work STARTED after the call was made, or at most `max_age` seconds before it:
    with `max_age=0` nobody can see a state older than the call. SpecErrors are shared alike; any other
    exception is the caller's whose work raised it, and the next caller tries again.
    """

    KEPT = 16

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._slots: dict[Hashable, _Slot[T]] = {}

    def run(self, key: Hashable, work: Callable[[], T], *, max_age: float = 0.0) -> T:
        """The result of `work`, done here or by a neighbour. Raises what `work` raises."""
        oldest = time.monotonic() - max_age
        slot = self._slot(key)
        with slot.changed:
            while True:
                if slot.landed is not None and slot.landed.started_at >= oldest:
                    return _unwrap(slot.landed)
                if not slot.is_running:
                    slot.is_running = True
                    break
                slot.changed.wait()
        landed: _Landed[T] | None = None
        started_at = time.monotonic()
        try:
            landed = _Landed(started_at, result=work())
        except SpecError as error:
            landed = _Landed(started_at, refused=error)
        finally:
            with slot.changed:
                slot.is_running = False
                slot.landed = landed or slot.landed
                slot.changed.notify_all()
        return _unwrap(landed)

    def _slot(self, key: Hashable) -> _Slot[T]:
        with self._lock:
            slot = self._slots.pop(key, None) or _Slot()
            self._slots[key] = slot  # the newest last
            for old in [k for k, s in self._slots.items() if not s.is_running and s is not slot][
                : -self.KEPT
            ]:
                del self._slots[old]
            return slot


def _unwrap(landed: _Landed[T]) -> T:
    if landed.refused is not None:
        # A new one for each caller: an exception that several threads raise mixes their tracebacks.
        raise SpecError(landed.refused.problems) from landed.refused
    return landed.result  # type: ignore[return-value]
