"""When a launch must be stopped, and the stop itself, step by step.

Order of a stop: the ranks SIGTERM their scripts; the grace passes or all scripts have ended; the ranks
SIGKILL what is left; the wrappers are let go; the launcher ends by itself, else by SIGTERM, else by SIGKILL.
"""

from __future__ import annotations

import time

from .watch import TOGETHER_SECONDS, Watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .launcher import Launcher
    from .members import Members
    from .request import Request

SURVIVOR_GRACE = 0.2
"""Seconds for the survivors of a failed or lost rank: what mpirun itself gives them (measured)."""
HELLO_SECONDS = 1.0
"""How long a stop waits for ranks that have not come yet."""
STACKS_SECONDS = 3.0
KILL_SECONDS = 1.0
LAUNCHER_SECONDS = 2.0
FIRST_LEAVES_SECONDS = 0.3


class Stopping:
    """Decides that a launch stops, and carries it out. `stopped` is None while nothing has asked for it."""

    def __init__(self, request: Request, members: Members, launcher: Launcher | None) -> None:
        self._request = request
        self._members = members
        self._launcher = launcher
        self.watch = Watch(request, members)
        self.stopped: dict[str, Any] | None = None
        self._grace = 0.0
        self._asked_at = self._deadline = 0.0
        self._stacks_until: float | None = None
        self._told: set[int] = set()
        self._released_at: float | None = None
        self._released_all = False

    def stop(self, why: str, *, grace: float, rank: int | None = None, detail: str = "") -> None:
        """Begins a stop; while one is under way only a shorter grace changes anything."""
        now = time.monotonic()
        if self.stopped is not None:
            if now + grace < self._deadline:
                self._grace, self._deadline = grace, now + grace
                self._told.clear()
            return
        self.stopped = {"why": why, "at": time.time(), "rank": rank, "detail": detail}
        self._grace, self._asked_at, self._deadline = grace, now, now + grace
        if why == "stalled":
            self._members.tell({"do": "stacks"})
            self._stacks_until = now + STACKS_SECONDS
            self._deadline += STACKS_SECONDS

    def is_waiting(self) -> bool:
        """Whether a stop is under way whose ranks may still be alive."""
        return self.stopped is not None and time.monotonic() < self._deadline + KILL_SECONDS

    def enforce(self, now: float) -> None:
        """Does what is due: call it after every message and at every tick."""
        if self.stopped is None:
            self._look_for_reasons(now)
        if self.stopped is None or self._launcher is None:
            return
        if self._stacks_until is not None:
            if now < self._stacks_until and any(
                member.stacks_saved is None and not member.has_ended
                for member in self._members.by_rank.values()
            ):
                return
            self._stacks_until = None
            self._deadline = now + self._grace
        self._tell_to_stop(now)
        if self._is_over(now):
            self._release(now)
            self._end_launcher(now)

    def _look_for_reasons(self, now: float) -> None:
        failed, lost = self._members.failed(), self._members.lost()
        if failed and not (lost and self._members.went_before(lost[0], failed[0])):
            self.stop("rank_failed", grace=SURVIVOR_GRACE, rank=failed[0].rank)
            return
        if lost:  # wait a moment: its whole node may be gone, or the launcher may have ended them all
            if now > (lost[0].lost_at or now) + TOGETHER_SECONDS:
                self.stop(
                    "rank_lost",
                    grace=SURVIVOR_GRACE,
                    rank=lost[0].rank,
                    detail="its wrapper went without a word",
                )
            return
        terminated = self._members.terminated()
        if terminated and now > (terminated[0].terminated_at or now) + LAUNCHER_SECONDS:
            self.stop(
                "launcher_lost", grace=SURVIVOR_GRACE, detail="the launcher ended its ranks and went on"
            )
            return
        found = self.watch.find(now)
        if found is not None:
            why, detail, rank = found
            grace = SURVIVOR_GRACE if why == "rank_lost" else self._request.limits.grace
            self.stop(why, grace=grace, rank=rank, detail=detail)

    def _tell_to_stop(self, now: float) -> None:
        """Also tells the ranks that come only after the stop began."""
        for rank in self._members.by_rank:
            if rank not in self._told:
                self._told.add(rank)
                self._members.tell({"do": "stop", "grace": max(0.0, self._deadline - now)}, [rank])

    def _is_over(self, now: float) -> bool:
        if self._released_at is not None or now >= self._deadline + KILL_SECONDS:
            return True
        everybody_came = not self._members.missing() or now >= self._asked_at + HELLO_SECONDS
        return everybody_came and self._members.have_all_ended()

    def _release(self, now: float) -> None:
        """Lets the wrappers go, the first failed one first, so that the launcher reports the right one."""
        failed = self._members.failed()
        if self._released_at is None:
            self._released_at = now
            if failed:
                self._members.tell({"do": "leave"}, [failed[0].rank])
        first_is_gone = (
            not failed or failed[0].line is None or now >= self._released_at + FIRST_LEAVES_SECONDS
        )
        if first_is_gone and not self._released_all:
            self._released_all = True
            self._members.tell({"do": "leave"})

    def _end_launcher(self, now: float) -> None:
        assert self._launcher is not None
        assert self._released_at is not None
        waits_for = self._members.are_connected()
        if now >= self._released_at + 2 * LAUNCHER_SECONDS:
            self._launcher.kill()
        elif now >= self._released_at + (LAUNCHER_SECONDS if waits_for else LAUNCHER_SECONDS / 2):
            self._launcher.stop()
        elif not self._members.by_rank:
            self._launcher.stop()  # no rank ever came: there is nothing to wait for
