"""What can be seen of an attempt on this machine: the agent's files, and whether the agent lives."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...agent.beneath import read_beneath
from ...spec.outcome import Status
from ..contract.handle import Handle
from ..contract.observation import Observation
from . import agent_process, last_words

if TYPE_CHECKING:
    from ...spec.attribution import RankFacts


def observe(handle: Handle) -> Observation:
    """Looks at the attempt's folder; a look costs two system calls while the run lives.

    An agent that died without a last word takes its ranks with it here. Such an attempt is Failed and has no facts of
    its launch; one whose agent came never so far as to launch anything is NotStarted. Of another machine's attempt that
    left no last word here nobody can tell.
    """
    folder = agent_process.place_of(handle)
    last_words.recover(folder)
    if not agent_process.has_ended(folder):
        if agent_process.is_live(folder):
            return Observation(Status.RUNNING)
        if not agent_process.has_ended(folder):
            if handle.driven_on:
                return Observation.unanswered(agent_process.words_of_elsewhere(handle))
            if not agent_process.was_begun(folder):
                return Observation(Status.NOT_STARTED)
            agent_process.end_all(handle)
            if not agent_process.was_launched(folder):
                return Observation(Status.NOT_STARTED, ranks=_ranks(folder))
            last_words.recover(folder)
    return _concluded(folder)


def _concluded(folder: Path) -> Observation:
    from ...spec.attribution import launch_facts, launch_of_markers

    ranks = _ranks(folder)
    # Without it, or where it is damaged, nothing may be read out of it: the ranks' own words stand.
    launch = launch_facts(last_words.read(folder, "launch/end.json"))
    launch = launch or launch_of_markers(_expected(folder), ranks)
    if launch is None:
        return Observation(Status.FAILED, ranks)
    is_whole = launch.stopped_why is None and sum(r.success for r in ranks) == launch.ranks_expected
    return Observation(Status.COMPLETED if is_whole else Status.FAILED, ranks, launch, _first_start(ranks))


def _ranks(folder: Path) -> tuple[RankFacts, ...]:
    from ...spec.attribution import rank_facts

    return rank_facts(last_words.read_all(folder, "ranks"), lambda rank: _tail(folder, rank))


def _tail(folder: Path, rank: int) -> str:
    try:
        with read_beneath(str(folder), _log(rank)) as stream:
            stream.seek(max(0, stream.seek(0, 2) - 4096))
            return "\n".join(stream.read().decode("utf-8", "replace").splitlines()[-20:])
    except OSError:
        return ""


def _log(rank: int) -> str:
    return f"logs/std/rank-{rank}.log"


def _expected(folder: Path) -> int:
    """How many ranks were to be started; 0 where nobody can tell."""
    request = last_words.read(folder, "launch/launch.json")
    try:
        return int(request["node_count"]) * int(request["process_count_per_node"])
    except (KeyError, TypeError, ValueError):
        return 0


def _first_start(ranks: tuple[RankFacts, ...]) -> float | None:
    return min((r.started_at for r in ranks if r.started_at), default=None)
