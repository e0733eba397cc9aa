"""The live attempts of one workspace: one question for all of them, and for each whatever follows from its answer."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from ...spec.errors import TrainingError
from ...spec.outcome import Status
from ...targets.contract.handle import Handle
from ...targets.contract.observation import Observation
from .monitor import Monitor, StopDue
from .pace import Pace
from .workers import Workers

log = logging.getLogger(__name__)
FASTEST_SECONDS, SLOWEST_SECONDS = 0.25, 3.0
SPREAD_SECONDS = 0.03
"""For each attempt of a workspace, the least time between two looks after one: a thousand are seen to in half a minute."""


@dataclass
class _Watched:
    monitor: Monitor
    end: asyncio.Future[Observation]
    on_look: Callable[[], None]
    look: asyncio.Task[None] | None = None


class Workspace:
    """Watches from the first attempt to the last; all methods are of the loop's thread.

    `asking` and `looking` are the pools for questions and for looks: no question waits behind a thousand looks.
    """

    def __init__(self, asking: Workers, looking: Workers) -> None:
        self._asking = asking
        self._looking = looking
        self._watched: dict[Handle, _Watched] = {}
        self._pace = Pace(FASTEST_SECONDS, SLOWEST_SECONDS)
        self._hurry = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def watch(self, monitor: Monitor, on_look: Callable[[], None]) -> Observation:
        """The observation of the end of an attempt. `on_look` is called after each look at one that goes on.

        Raises:
            StopDue: it is to be stopped.
        """
        watched = _Watched(monitor, asyncio.get_running_loop().create_future(), on_look)
        self._watched[monitor.handle] = watched
        self._pace.hurry()
        self._hurry.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._ask_on())
        try:
            return await watched.end
        finally:
            del self._watched[monitor.handle]
            if watched.look is not None:
                await asyncio.wait([watched.look])
            monitor.target.release([monitor.handle])

    async def _ask_on(self) -> None:
        while self._watched:
            self._hurry.clear()
            pause = await self._ask()
            try:
                await asyncio.wait_for(self._hurry.wait(), pause)
            except asyncio.TimeoutError:
                pass
            else:
                await asyncio.sleep(FASTEST_SECONDS)  # others come with it

    async def _ask(self) -> float:
        """One question; the pause after it."""
        asked = dict(self._watched)
        first = next(iter(asked.values())).monitor
        began = time.monotonic()
        try:
            answers = await self._asking.run(first.target.observe, first.compute, list(asked))
        except TrainingError as error:  # not as the contract wants it; the runs go on
            answers = {handle: Observation.unanswered(error.message) for handle in asked}
        except Exception as error:
            log.exception("observation")
            mistake = f"a mistake of pulumi-training's own, {type(error).__name__}: {error}"
            answers = {handle: Observation.unanswered(mistake) for handle in asked}
        took = time.monotonic() - began
        is_news = False
        for handle, watched in asked.items():
            seen = answers.get(handle) or Observation.unanswered("it was left out of the answer")
            is_news |= watched.monitor.take_in(seen)
            if not watched.end.done() and (seen.status.is_terminal or seen.status is Status.NOT_STARTED):
                watched.end.set_result(seen)
        self._look_after(list(asked.values()))
        is_silent = all(seen.status is Status.NOT_RESPONDING for seen in answers.values())
        return self._pace.after_trouble() if is_silent else self._pace.after_answer(is_new=is_news, took=took)

    def _look_after(self, watched: list[_Watched]) -> None:
        now, least = time.monotonic(), SPREAD_SECONDS * len(self._watched)
        for each in watched:
            if each.end.done() or each.monitor.due > now or (each.look is not None and not each.look.done()):
                continue
            each.look = asyncio.create_task(self._look(each, least))

    async def _look(self, watched: _Watched, least: float) -> None:
        try:
            await self._looking.run(watched.monitor.look, least)
        except StopDue as why:
            if not watched.end.done():
                watched.end.set_exception(why)
        except TrainingError as error:  # a record that cannot be read or written now; the run goes on
            log.warning("%s: %s", watched.monitor.handle.run_id, error.message)
            watched.monitor.due = time.monotonic() + SLOWEST_SECONDS
        except Exception:
            log.exception("looking after %s", watched.monitor.handle.run_id)
            watched.monitor.due = time.monotonic() + SLOWEST_SECONDS
        if not watched.end.done():
            watched.on_look()
