"""From the agent's facts to an outcome: who failed first, and of what.

The agent decides nothing; every target's facts come through here, so that the same end has the same name
everywhere. An exit code of 0 of a launcher proves nothing: Open MPI 5 exits 0 when a node dies.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .document import Count, DamagedDocument, Shape, Time, fields_of, fitting
from .outcome import Outcome, Reason
from .text import count

_STOP: Shape = {"why": str | None, "detail": str | None}


@dataclass(frozen=True)
class RankFacts:
    """What is known of one rank. Times are seconds since the epoch; `log_tail` is its last 20 lines at most."""

    rank: Count
    node: Count = 0
    host: str = ""
    state: str = "waiting"
    started_at: Time | None = None
    ended_at: Time | None = None
    exit_code: int | None = None
    signal: str | None = None
    success: bool = False
    exception: str | None = None
    oom: bool | None = None
    stopped_by_us: bool = False
    lost: bool = False
    ended_by_launcher: bool = False
    log_tail: str = ""

    @classmethod
    def from_json(
        cls, document: Mapping[str, object], log_tail: str = "", where: str = "a rank's facts"
    ) -> RankFacts:
        """Reads a rank's file; unknown fields are left out. Raises `DamagedDocument`, which names `where`."""
        known = {name: value for name, value in document.items() if value is not None}
        return cls(**{**fields_of(cls, known, where), "log_tail": log_tail})


@dataclass(frozen=True)
class LaunchFacts:
    """What is known of a launch: how the launcher ended, and why it was stopped if it was.

    `lost_words` says what became of the lost nodes, where a target can tell.
    """

    exit_code: int | None = None
    signal: str | None = None
    stopped_why: str | None = None
    stopped_detail: str = ""
    ranks_expected: int = 1
    first_failed: int | None = None
    lost_nodes: Sequence[int] = field(default_factory=tuple)
    lost_words: str = ""
    launcher_tail: str = ""
    ended_at: Time | None = None

    @classmethod
    def from_json(cls, document: Mapping[str, object], where: str = "end.json") -> LaunchFacts:
        """Reads the agent's `end.json`. Raises `DamagedDocument`, which names `where`."""
        known = {name: value for name, value in document.items() if value is not None}
        stopped = fitting(_STOP, fitting({"stopped": dict[str, Any]}, known, where).get("stopped", {}), where)
        found = fields_of(cls, known, where)
        if stopped.get("why"):
            found["stopped_why"] = stopped["why"]
        return cls(**{**found, "stopped_detail": stopped.get("detail") or ""})


def rank_facts(
    documents: Iterable[Mapping[str, object]], tail: Callable[[int], str]
) -> tuple[RankFacts, ...]:
    """The facts in ranks' files, ascending; what is damaged says nothing of its rank.

    `tail` gives the end of a rank's log, which is asked for where the rank did not succeed.
    """
    found = []
    for document in documents:
        try:
            facts = RankFacts.from_json(document)
        except DamagedDocument:
            continue
        found.append(facts if facts.success else replace(facts, log_tail=tail(facts.rank)))
    return tuple(sorted(found, key=lambda facts: facts.rank))


def launch_facts(document: Mapping[str, object] | None) -> LaunchFacts | None:
    """The facts in `end.json`; None where there is none, or a damaged one: nothing may be read out of that."""
    try:
        return LaunchFacts.from_json(document) if document else None
    except DamagedDocument:
        return None


_STOPPED = {
    "cancel": Reason.CANCELED,
    "run_timeout": Reason.RUN_TIMEOUT,
    "stalled": Reason.STALLED,
    "start_timeout": Reason.LAUNCH_FAILED,
    "preempted": Reason.PREEMPTED,
}
_ABORT = re.compile(r"MPI_ABORT was invoked|called MPI_Abort", re.IGNORECASE)
_NOT_STARTED = "the script could not be started"


def attribute(launch: LaunchFacts | None, ranks: Sequence[RankFacts]) -> Outcome:
    """The outcome of an attempt.

    `launch` is None where its owner vanished without a last word. Order of the rules: success of every rank; a
    stop of ours; a lost node; the first rank that failed by itself; a rank that went without a word; a
    launcher that ended while its ranks ran; a launch that never got that far; ranks that never spoke.
    """
    if launch is None:
        return _vanished(ranks)
    # A script that takes a stop of ours for its end exits 0 too, and has not done what was asked.
    if sum(r.success and not r.stopped_by_us for r in ranks) == launch.ranks_expected:
        return Outcome(Reason.COMPLETED)
    first = _first_failed(launch, ranks)
    if launch.stopped_why in _STOPPED and (first is None or first.rank != launch.first_failed):
        return _stopped(launch, ranks)
    if launch.lost_nodes and (first is None or launch.stopped_why != "rank_failed"):
        node = launch.lost_nodes[0]
        return Outcome(
            Reason.NODE_LOST,
            f"node {node} was lost" + (f": {launch.lost_words}" if launch.lost_words else ""),
            node=node,
            details={"lost_nodes": list(launch.lost_nodes)},
        )
    if first is not None:
        return _failed(first)
    lost = [r for r in ranks if r.lost and not r.ended_by_launcher]
    if lost:
        return _lost(next((r for r in lost if r.rank == launch.first_failed), lost[0]))
    return _launcher_ended(launch, ranks)


def launch_of_markers(expected: int, ranks: Sequence[RankFacts]) -> LaunchFacts | None:
    """The facts of a launch whose owner left no last word, where its ranks left theirs: every one of them ended by itself.

    That a full disk kept the owner from writing takes nothing from what the ranks wrote. None where a rank is missing,
    was lost or was stopped: then nobody knows how it would have ended.
    """
    own = [r for r in ranks if r.state == "exited" and not (r.lost or r.stopped_by_us or r.ended_by_launcher)]
    if expected < 1 or {r.rank for r in own} != set(range(expected)):
        return None
    first = min((r for r in own if not r.success), key=lambda r: (r.ended_at or 0.0, r.rank), default=None)
    return LaunchFacts(ranks_expected=expected, first_failed=None if first is None else first.rank)


def _vanished(ranks: Sequence[RankFacts]) -> Outcome:
    running = [r for r in ranks if r.state != "exited"]
    return Outcome(
        Reason.SUPERVISOR_LOST,
        "the process that owned the run vanished"
        + (f" while {count(len(running), 'rank')} ran" if running else ""),
    )


def _stopped(launch: LaunchFacts, ranks: Sequence[RankFacts]) -> Outcome:
    why = launch.stopped_why or ""
    reason = _STOPPED[why]
    message = {
        "cancel": "canceled on request",
        "run_timeout": "ran longer than maxRunDurationSeconds allows",
        "stalled": "no rank wrote a log line, a metric or a file for longer than stallTimeoutSeconds allows",
        "start_timeout": "not every rank started in time",
        "preempted": "its place was taken away",
    }[why]
    if launch.stopped_detail:
        message += f" ({launch.stopped_detail})"
    tail = (
        launch.launcher_tail
        if reason is Reason.LAUNCH_FAILED
        else next((r.log_tail for r in ranks if r.log_tail), "")
    )
    return Outcome(reason, message, log_tail=tail)


def _first_failed(launch: LaunchFacts, ranks: Sequence[RankFacts]) -> RankFacts | None:
    failed = [r for r in ranks if _is_own_failure(r) or _has_aborted(r, launch)]
    named = next((r for r in failed if r.rank == launch.first_failed), None)
    return named or min(failed, key=lambda r: (r.ended_at or 0.0, r.rank), default=None)


def _is_own_failure(rank: RankFacts) -> bool:
    is_own = not (rank.stopped_by_us or rank.lost or rank.ended_by_launcher)
    return rank.state == "exited" and not rank.success and is_own


def _has_aborted(rank: RankFacts, launch: LaunchFacts) -> bool:
    """Whether the rank called MPI_Abort: the launcher ends all ranks then, that one among them."""
    if rank.success or not rank.ended_by_launcher or rank.rank != launch.first_failed:
        return False
    return rank.exception is not None or _ABORT.search(launch.launcher_tail) is not None


def _failed(first: RankFacts) -> Outcome:
    place = _place(first)
    if first.oom:
        return _of_rank(Reason.OUT_OF_MEMORY, f"{place} was killed for want of memory", first)
    if first.ended_by_launcher:
        words = f"{place} called MPI_Abort" + (f": {first.exception}" if first.exception else "")
        return _of_rank(Reason.SCRIPT_FAILED, words, first)
    if first.signal:
        return _of_rank(Reason.RANK_SIGNALED, f"{place} was killed by {first.signal}", first)
    if first.exception and first.exception.startswith(_NOT_STARTED):
        return _of_rank(Reason.LAUNCH_FAILED, f"{place}: {first.exception}", first)
    message = f"{place} exited with code {first.exit_code}"
    if first.exception:
        message += f": {first.exception}"
    return _of_rank(Reason.SCRIPT_FAILED, message, first)


def _lost(rank: RankFacts) -> Outcome:
    words = (
        f"{_place(rank)} went without a word: the process that watches it was killed, and the script with it"
    )
    return _of_rank(Reason.RANK_SIGNALED, words, rank)


def _launcher_ended(launch: LaunchFacts, ranks: Sequence[RankFacts]) -> Outcome:
    end = _end(launch.exit_code, launch.signal)
    if launch.exit_code is None and launch.signal is None and launch.launcher_tail.strip():
        return _of_launcher(Reason.LAUNCH_FAILED, launch.launcher_tail.strip().splitlines()[-1], launch)
    if not any(r.started_at for r in ranks):
        return _of_launcher(
            Reason.LAUNCH_FAILED, f"the launcher ended with {end} before any rank started", launch
        )
    if launch.stopped_why == "launcher_lost" or launch.signal or any(r.ended_by_launcher for r in ranks):
        return _of_launcher(
            Reason.LAUNCH_FAILED, f"the launcher ended with {end} while its ranks ran", launch
        )
    missing = sorted(set(range(launch.ranks_expected)) - {r.rank for r in ranks if r.success})
    if not missing:
        return _of_launcher(Reason.LAUNCH_FAILED, f"the ranks were stopped ({launch.stopped_why})", launch)
    names = ", ".join(str(rank) for rank in missing)
    return Outcome(
        Reason.NODE_LOST,
        f"{'ranks' if len(missing) > 1 else 'rank'} {names} never reported an end, though the launcher ended with {end}",
        rank=missing[0],
        node=next((r.node for r in ranks if r.rank == missing[0]), None),
        log_tail=launch.launcher_tail,
    )


def _of_rank(reason: Reason, message: str, rank: RankFacts) -> Outcome:
    return Outcome(
        reason,
        message,
        rank=rank.rank,
        node=rank.node,
        exit_code=rank.exit_code,
        signal=rank.signal,
        exception=rank.exception,
        log_tail=rank.log_tail,
    )


def _of_launcher(reason: Reason, message: str, launch: LaunchFacts) -> Outcome:
    return Outcome(
        reason,
        message,
        exit_code=launch.exit_code,
        signal=launch.signal,
        log_tail=launch.launcher_tail,
    )


def _place(rank: RankFacts) -> str:
    return f"rank {rank.rank} on node {rank.node}"


def _end(code: int | None, signal: str | None) -> str:
    if signal is None and code is None:
        return "no exit code"
    return signal or f"exit code {code}"
