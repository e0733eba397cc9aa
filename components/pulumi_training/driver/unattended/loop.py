"""The one loop of this process that drives runs which a service owns: a thread, and pools for what blocks."""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ParamSpec, TypeVar

from ...record.lock import DriverLock
from ...record.record import Record
from ...spec.errors import TrainingError, TransientError
from ...targets.contract.observation import Observation
from .hand import Hand, beat_on
from .limits import allow_many_files
from .monitor import Monitor, StopDue
from .run import DrivenRun
from .tracks import Tracks
from .workers import Workers
from .workspace import Workspace

log = logging.getLogger(__name__)
P = ParamSpec("P")
R = TypeVar("R")
_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 1.0, 60.0
_MIRROR_SECONDS, _MIRROR_PAUSE_SECONDS = 30.0, 0.2
_CANCELED_SECONDS, _CANCELED_REMOTE_SECONDS = 0.5, 5.0
_EXIT_SECONDS = 1.0


def drive_here(record: Record, number: int, base: Path, secrets: Mapping[str, str]) -> None:
    """Has this process drive a run from attempt `number` on; returns at once, and harmless where somebody drives it.

    Raises:
        StoreError: the driver's lock cannot be written.
    """
    the_loop().take(record, number, base, secrets)


def tell_secrets(record: Record, secrets: Mapping[str, str]) -> None:
    """Gives the secrets of a run to this process's driver of it, where it is one: a retry needs them."""
    the_loop().tell(record, secrets)


def await_look(record: Record, seconds: float) -> None:
    """Waits until a run that this process drives was looked at: it goes on, or is settled; so many seconds at most."""
    the_loop().await_look(record, seconds)


def detach(seconds: float) -> None:
    """Lets go of every run that this process drives; steps under way get so many seconds. Nothing where it drives none."""
    if _loop is not None:
        _loop.detach(seconds)


def the_loop() -> Loop:
    """The loop of this process."""
    global _loop
    with _making:  # many runs are begun at once, each in a thread of its own
        if _loop is None:
            _loop = Loop()
            atexit.register(detach, _EXIT_SECONDS)
        return _loop


class Loop:
    """Drives what it takes until it ends or `detach` is called. Public methods may be called from any other thread."""

    def __init__(self) -> None:
        allow_many_files()
        self._guard = threading.Lock()
        self._hands: dict[str, Hand] = {}
        self._workspaces: dict[tuple[str, str], Workspace] = {}
        self._asking = Workers("training-ask", 4)
        self._looking = Workers("training-look", 8)
        self._stepping = Workers("training-step", 16)
        self._tracks = Tracks(Workers("training-track", 4), self._hands)
        self._is_detaching = False
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._run, name="training-driving", daemon=True).start()

    def take(self, record: Record, number: int, base: Path, secrets: Mapping[str, str]) -> None:
        """See `drive_here`."""
        if self._is_detaching:
            return
        lock = DriverLock(record, beat_seconds=0)
        if not lock.acquire():  # a run that is in hand has its lock taken, too
            return
        hand = Hand(DrivenRun(record, number, base, secrets, lock))
        with self._guard:
            self._hands[record.location] = hand
        self._loop.call_soon_threadsafe(self._begin, hand)

    def tell(self, record: Record, secrets: Mapping[str, str]) -> None:
        """See `tell_secrets`."""
        hand = self._hands.get(record.location)
        if hand is not None:
            hand.run.secrets.update(secrets)

    def await_look(self, record: Record, seconds: float) -> None:
        """See the function of this name."""
        hand = self._hands.get(record.location)
        if hand is not None:
            hand.looked.wait(seconds)

    def detach(self, seconds: float) -> None:
        """See the function of this name. What MLflow has not heard yet is told by a process of its own."""
        with self._guard:
            self._is_detaching = True
            held = list(self._hands.values())
        try:
            done = asyncio.run_coroutine_threadsafe(self._let_go(held, seconds), self._loop)
            done.result(seconds + 1)
        except concurrent.futures.TimeoutError:
            log.warning("%d runs were not let go of in time", len(self._hands))
        finally:
            self._is_detaching = False
        for hand in held:
            if hand.is_tracked:
                hand.run.leave_tracking()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._beats = self._loop.create_task(beat_on(self._hands, self._looking))
        self._loop.run_forever()

    def _begin(self, hand: Hand) -> None:
        hand.task = self._loop.create_task(self._hold(hand))

    async def _let_go(self, held: list[Hand], seconds: float) -> None:
        tasks = [hand.task for hand in held if hand.task is not None]
        for hand in held:
            if hand.task is not None and not hand.is_in_step:
                hand.task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)

    async def _hold(self, hand: Hand) -> None:
        """From the lock to its release."""
        run = hand.run
        try:
            await self._drive(hand)
        except asyncio.CancelledError:
            log.info("run %s is let go of", run.record.run_id)
        except TrainingError as error:
            await self._stepping.run(run.give_up, error.message)
        except Exception as error:
            log.exception("driving %s", run.record.run_id)
            mistake = f"a mistake of pulumi-training's own, {type(error).__name__}: {error}"
            await self._stepping.run(run.give_up, mistake)
        finally:
            with self._guard:
                self._hands.pop(run.record.location, None)
            await self._stepping.run(run.release)
            hand.looked.set()

    async def _drive(self, hand: Hand) -> None:
        run = hand.run
        while not await self._step(hand, run.waits):
            await self._sleep(hand, await self._step(hand, run.pause))
            monitor = await self._step(hand, run.begin)
            if monitor is not None:
                async with self._tracks.beside(hand):
                    await self._to_the_end(hand, monitor)
            hand.looked.set()
            await self._tracks.finish(hand)
            if not await self._step(hand, run.next_try):
                return

    async def _to_the_end(self, hand: Hand, monitor: Monitor) -> None:
        run = hand.run
        try:
            seen = await self._workspace(monitor).watch(monitor, hand.looked.set)
        except StopDue as due:
            await self._step(hand, run.end, monitor, due.why)
            return
        seen = await self._last_look(hand, monitor, seen)
        await self._step(hand, run.conclude, monitor.handle, seen)

    async def _last_look(self, hand: Hand, monitor: Monitor, seen: Observation) -> Observation:
        """The observation of the end once everything written has come: the ends of logs are among its facts.

        What does not come in time is left to collection.
        """
        end = time.monotonic() + _MIRROR_SECONDS
        was_late = False
        while not await self._looking.run(monitor.is_mirrored) and time.monotonic() < end:
            was_late = True
            await asyncio.sleep(_MIRROR_PAUSE_SECONDS)
        return await self._step(hand, monitor.seen_again, seen) if was_late else seen

    def _workspace(self, monitor: Monitor) -> Workspace:
        try:
            key = monitor.compute.key
        except TransientError:
            key = monitor.compute.store  # those that nobody can be asked about: together too
        place = monitor.target.name, key
        if place not in self._workspaces:
            self._workspaces[place] = Workspace(self._asking, self._looking)
        return self._workspaces[place]

    async def _step(self, hand: Hand, step: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Does a step that blocks, again and again where a backend or the store does not answer."""
        pause = _PAUSE_SECONDS
        while True:
            hand.is_in_step = True
            try:
                found = await self._stepping.run(step, *args, **kwargs)
            except TransientError as error:
                log.warning("%s: %s", hand.run.record.run_id, error.message)
            else:
                if self._is_detaching:
                    raise asyncio.CancelledError
                return found
            finally:
                hand.is_in_step = False
            if self._is_detaching:
                raise asyncio.CancelledError
            await asyncio.sleep(pause)
            pause = min(_LONGEST_PAUSE_SECONDS, 2 * pause)

    async def _sleep(self, hand: Hand, seconds: float) -> None:
        """The pause before a retry; a stop that somebody asks for ends it."""
        end = time.monotonic() + seconds
        every = _CANCELED_SECONDS if hand.run.record.store.is_local else _CANCELED_REMOTE_SECONDS
        while (left := end - time.monotonic()) > 0:
            hand.looked.set()
            await asyncio.sleep(min(every, left))
            if not await self._step(hand, hand.run.pause):
                return


_making = threading.Lock()
_loop: Loop | None = None
