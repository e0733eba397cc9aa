"""From the agent's facts to an outcome: who failed first, and of what.

The agent decides nothing; every target's facts come through here, so that the same end has the same name
everywhere. An exit code of 0 of a launcher proves nothing: Open MPI 5 exits 0 when a node dies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .outcome import Outcome, Reason


@dataclass(frozen=True)
class RankFacts:
    """What is known of one rank. Times are seconds since the epoch; `log_tail` is its last 20 lines at most."""

    rank: int
    node: int = 0
    host: str = ""
    state: str = "waiting"
    started_at: float | None = None
    ended_at: float | None = None
    exit_code: int | None = None
    signal: str | None = None
    success: bool = False
    exception: str | None = None
    oom: bool | None = None
    stopped_by_us: bool = False
    log_tail: str = ""

    @classmethod
    def from_json(cls, document: dict[str, Any], log_tail: str = "") -> RankFacts:
        """Reads a rank's file; unknown fields are left out."""
        known = {k: v for k, v in document.items() if k in cls.__dataclass_fields__ and v is not None}
        return cls(**{**known, "log_tail": log_tail})


@dataclass(frozen=True)
class LaunchFacts:
    """What is known of a launch: how the launcher ended, and why it was stopped if it was."""

    exit_code: int | None = None
    signal: str | None = None
    stopped_why: str | None = None
    stopped_detail: str = ""
    ranks_expected: int = 1
    first_failed: int | None = None
    lost_nodes: Sequence[int] = field(default_factory=tuple)
    launcher_tail: str = ""
    ended_at: float | None = None

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> LaunchFacts:
        """Reads the agent's `end.json`."""
        stopped = document.get("stopped") or {}
        return cls(
            exit_code=document.get("exit_code"),
            signal=document.get("signal"),
            stopped_why=stopped.get("why"),
            stopped_detail=str(stopped.get("detail") or ""),
            ranks_expected=int(document.get("ranks_expected", 1)),
            first_failed=document.get("first_failed"),
            lost_nodes=tuple(document.get("lost_nodes") or ()),
            launcher_tail=str(document.get("launcher_tail") or ""),
            ended_at=document.get("ended_at"),
        )


_STOPPED = {
    "cancel": Reason.CANCELED,
    "run_timeout": Reason.RUN_TIMEOUT,
    "stalled": Reason.STALLED,
    "start_timeout": Reason.LAUNCH_FAILED,
}


def attribute(launch: LaunchFacts | None, ranks: Sequence[RankFacts]) -> Outcome:
    """The outcome of an attempt.

    `launch` is None where its owner vanished without a last word. Order of the rules: a stop of ours; a lost
    node; the first rank that failed by itself; a launch that never got that far; success of every rank.
    """
    if launch is None:
        return _vanished(ranks)
    if launch.stopped_why in _STOPPED and not _failed_before_stop(launch, ranks):
        return _stopped(launch, ranks)
    if launch.lost_nodes:
        node = launch.lost_nodes[0]
        return Outcome(
            Reason.NODE_LOST,
            f"node {node} was lost",
            node=node,
            details={"lost_nodes": list(launch.lost_nodes)},
        )
    first = _first_failed(launch, ranks)
    if first is not None:
        return _failed(first, ranks, launch)
    succeeded = [r for r in ranks if r.success]
    if len(succeeded) == launch.ranks_expected:
        return Outcome(Reason.COMPLETED)
    missing = sorted(set(range(launch.ranks_expected)) - {r.rank for r in succeeded})
    if not any(r.started_at for r in ranks):
        return Outcome(
            Reason.LAUNCH_FAILED,
            f"the launcher ended with {_end(launch.exit_code, launch.signal)} before any rank started",
            exit_code=launch.exit_code,
            signal=launch.signal,
            log_tail=launch.launcher_tail,
        )
    names = ", ".join(str(r) for r in missing)
    return Outcome(
        Reason.NODE_LOST,
        f"rank{'s' if len(missing) > 1 else ''} {names} never reported an end, though the launcher ended with "
        f"{_end(launch.exit_code, launch.signal)}",
        rank=missing[0],
        node=next((r.node for r in ranks if r.rank == missing[0]), None),
        log_tail=launch.launcher_tail,
    )


def _vanished(ranks: Sequence[RankFacts]) -> Outcome:
    running = [r for r in ranks if r.state != "exited"]
    return Outcome(
        Reason.SUPERVISOR_LOST,
        "the process that owned the run vanished" + (f" while {len(running)} ranks ran" if running else ""),
    )


def _stopped(launch: LaunchFacts, ranks: Sequence[RankFacts]) -> Outcome:
    why = launch.stopped_why or ""
    reason = _STOPPED[why]
    message = {
        "cancel": "canceled on request",
        "run_timeout": "ran longer than maxRunDurationSeconds allows",
        "stalled": "no rank wrote a log line, a metric or a file for longer than stallTimeoutSeconds allows",
        "start_timeout": "not every rank started in time",
    }[why]
    if launch.stopped_detail:
        message += f" ({launch.stopped_detail})"
    tail = (
        launch.launcher_tail
        if reason is Reason.LAUNCH_FAILED
        else next((r.log_tail for r in ranks if r.log_tail), "")
    )
    return Outcome(reason, message, log_tail=tail)


def _failed_before_stop(launch: LaunchFacts, ranks: Sequence[RankFacts]) -> bool:
    return any(_is_own_failure(r) and launch.first_failed == r.rank for r in ranks)


def _is_own_failure(rank: RankFacts) -> bool:
    return rank.state == "exited" and not rank.success and not rank.stopped_by_us


def _first_failed(launch: LaunchFacts, ranks: Sequence[RankFacts]) -> RankFacts | None:
    failed = [r for r in ranks if _is_own_failure(r)]
    named = next((r for r in failed if r.rank == launch.first_failed), None)
    return named or min(failed, key=lambda r: (r.ended_at or 0.0, r.rank), default=None)


def _failed(first: RankFacts, ranks: Sequence[RankFacts], launch: LaunchFacts) -> Outcome:
    place = f"rank {first.rank} on node {first.node}"
    common: dict[str, Any] = {
        "rank": first.rank,
        "node": first.node,
        "exit_code": first.exit_code,
        "signal": first.signal,
        "exception": first.exception,
        "log_tail": first.log_tail,
    }
    if first.oom:
        return Outcome(Reason.OUT_OF_MEMORY, f"{place} was killed for want of memory", **common)
    if first.signal:
        return Outcome(Reason.RANK_SIGNALED, f"{place} was killed by {first.signal}", **common)
    message = f"{place} exited with code {first.exit_code}"
    if first.exception:
        message += f": {first.exception}"
    return Outcome(Reason.SCRIPT_FAILED, message, **common)


def _end(code: int | None, signal: str | None) -> str:
    return signal or f"exit code {code}"
