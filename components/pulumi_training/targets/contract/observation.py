"""What a target says of an attempt now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...spec.outcome import Status

if TYPE_CHECKING:
    from ...spec.attribution import LaunchFacts, RankFacts


@dataclass(frozen=True)
class Observation:
    """What a target says of an attempt now.

    `status` is NotStarted where nothing of it exists at the backend, and never where a script of it may have run
    and left traces there; NotResponding where that could not be asked, and then `problem` says in words what kept the
    answer away and what to do about it. `launch` is there once the launch has ended; an attempt that ended without a
    last word is Failed and has none.
    """

    status: Status
    ranks: tuple[RankFacts, ...] = ()
    launch: LaunchFacts | None = None
    started_at: float | None = None
    problem: str = ""

    @classmethod
    def unanswered(cls, problem: str) -> Observation:
        """Nobody could tell; `problem` says why."""
        return cls(Status.NOT_RESPONDING, problem=problem)
