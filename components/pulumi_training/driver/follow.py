"""Waits for runs that somebody else drives, by their records; one loop serves any number of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from ..record.attempt import Attempt
from ..record.documents import AttemptDocument
from ..record.record import Record
from ..spec.errors import PermanentError, TrainingError, TransientError
from ..spec.outcome import Reason, Status
from .last_word import last_word
from .stamps import stamp_of
from .start import start
from .supervisor import is_driven

_LOOK_SECONDS = 0.1
_LOOK_REMOTE_SECONDS = 2.0
_SPREAD_SECONDS = 0.002
"""For each run that this process waits for, the least time between two looks at one."""
_CHECK_DRIVER_SECONDS = 3.0
_SPREAD_CHECK_SECONDS = 0.02
"""For each run that this process waits for, the least time between two checks that one is driven."""
_RESTARTS = 3

_following = 0
T = TypeVar("T")
Blocking = Callable[..., Awaitable[Any]]
"""Runs a function in a pool of threads: `await blocking(f, *arguments)`."""


class Detached(Exception):
    """The wait was given up; the run goes on."""


@dataclass
class Follower:
    """Follows one run to its end and shows its lines.

    `blocking` runs blocking work off the loop; `is_given_up` is asked at every look.
    """

    record: Record
    base: Path
    secrets: Mapping[str, str] = field(repr=False)
    show: Callable[[str], None]
    is_given_up: Callable[[], bool]
    blocking: Blocking

    async def follow(self, number: int, deadline: float | None = None) -> AttemptDocument:
        """The document of the last attempt, once it has ended; `deadline` is on the monotonic clock.

        A driver that died is replaced, a few times.

        Raises:
            Detached: the wait was given up.
            TimeoutError: the deadline passed; the run goes on.
            TrainingError: drivers of this run die as soon as they are started; the run may go on.
        """
        global _following
        from .preload import load_while_waiting

        load_while_waiting()
        _following += 1
        try:
            return await self._follow(self.record.attempt(number), deadline)
        finally:
            _following -= 1

    async def _follow(self, attempt: Attempt, deadline: float | None) -> AttemptDocument:
        stamp, document = "", None
        restarts, checked = 0, time.monotonic()
        while True:
            if self.is_given_up():
                raise Detached
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError(f"run {self.record.run_id} goes on; the time allowed for waiting is over")
            new = await self._stamp(attempt)
            if new != stamp or document is None:
                stamp, document = new, await self._read(attempt)
                if document is not None and document.status.is_terminal:
                    if document.is_over:
                        return document
                    self.show(f"attempt {attempt.number} ended as {document.status.value}; trying again")
                    attempt = await self._following(attempt)
                    continue
                if document is not None:
                    self.show(describe(document))
            if time.monotonic() - checked >= max(_CHECK_DRIVER_SECONDS, _SPREAD_CHECK_SECONDS * _following):
                checked = time.monotonic()
                if await self._is_abandoned(attempt):
                    restarts += 1
                    if restarts > _RESTARTS:
                        raise await self.blocking(self._hopeless, attempt)
                    await self.blocking(start, self.record, attempt.number, self.base, self.secrets)
            await asyncio.sleep(self._pause(attempt))

    def _pause(self, attempt: Attempt) -> float:
        least = _LOOK_SECONDS if attempt.store.is_local else _LOOK_REMOTE_SECONDS
        return max(least, _SPREAD_SECONDS * _following)

    def _hopeless(self, attempt: Attempt) -> TrainingError:
        """Why no driver stays alive; a store that cannot be written says it best."""
        try:
            attempt.event("abandoned", "the processes that own this run die as soon as they are started")
        except TrainingError as error:
            return error
        words = f"the process that owns run {self.record.run_id} ends as soon as it is started"
        why = last_word(self.record, attempt.number)
        return PermanentError(Reason.SUPERVISOR_LOST, f"{words}: {why}" if why else words)

    async def _stamp(self, attempt: Attempt) -> str:
        """Changes when the document may have."""
        path = attempt.store.local_path(f"{attempt.prefix}/attempt.json")
        if path is None:
            return str(time.monotonic())
        return await stamp_of(path)

    async def _read(self, attempt: Attempt) -> AttemptDocument | None:
        try:
            document: AttemptDocument = await self.blocking(attempt.document)
        except TransientError:
            return None
        return document

    async def _following(self, attempt: Attempt) -> Attempt:
        """The next attempt, which the driver makes, or a driver started here where that one died between."""
        following = self.record.attempt(attempt.number + 1)
        restarts, checked = 0, time.monotonic()
        while not await self.blocking(following.exists):
            if self.is_given_up():
                raise Detached
            if time.monotonic() - checked >= _CHECK_DRIVER_SECONDS:
                checked = time.monotonic()
                if await self._is_abandoned(attempt):
                    restarts += 1
                    if restarts > _RESTARTS:
                        raise await self.blocking(self._hopeless, attempt)
                    await self.blocking(start, self.record, attempt.number, self.base, self.secrets)
            await asyncio.sleep(_LOOK_SECONDS)
        return following

    async def _is_abandoned(self, attempt: Attempt) -> bool:
        def look() -> bool:
            return not is_driven(self.record) and not _is_over(attempt)

        answer: bool = await self.blocking(look)
        return answer


def describe(document: AttemptDocument) -> str:
    """Where an attempt stands, as one line."""
    if document.cancel_requested:
        return "stopping"
    words = document.progress or _WORDS.get(document.status, document.status.value)
    return words if document.attempt == 1 else f"attempt {document.attempt}: {words}"


_WORDS = {
    Status.NOT_STARTED: "starting",
    Status.PREPARING: "preparing",
    Status.QUEUED: "queued",
    Status.RUNNING: "running",
    Status.FINALIZING: "finalizing",
    Status.NOT_RESPONDING: "the target does not answer; waiting",
}


def _is_over(attempt: Attempt) -> bool:
    return attempt.document().is_over
