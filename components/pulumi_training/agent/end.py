"""The facts of a launch's end: ranks that could not write theirs, what is left of processes, `end.json`."""

from __future__ import annotations

import os
import re
import time

from .ending import exception_line, signal_name
from .facts import give_room, read_json_or_empty, read_tail, say, write_last
from .marks import Marks
from .sweep import sweep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .launcher import Launcher
    from .members import Members
    from .request import Request
    from .stopping import Stopping

TAIL_BYTES = 4096
_ABORT = re.compile(rb"MPI_ABORT was invoked on rank (\d+)|application called MPI_Abort\([^\n]*process (\d+)")


def close(
    request: Request, launcher: Launcher | None, members: Members, stopping: Stopping, trouble: str
) -> int:
    """Ends what is left, completes the ranks' facts and writes `end.json`; the answer is the exit code."""
    marks = Marks(request.run_id, request.attempt, request.store, request.folder)
    survivors = sweep(marks, descendants_of=os.getpid())
    _complete_members(request, members)
    ranks = {rank: _complete(request, rank, members) for rank in range(request.world_size)}
    succeeded = [rank for rank, facts in ranks.items() if facts.get("success")]
    if request.is_alone:
        _keep_outputs(request)
    log = f"{request.folder}/launch/launcher.log"
    process = launcher.process if launcher is not None else None
    stopped = stopping.stopped
    tail = read_tail(log, TAIL_BYTES).decode("utf-8", "replace")
    document: dict[str, Any] = {
        "ended_at": time.time(),
        "exit_code": process.exit_code if process is not None else None,
        "signal": signal_name(process.signal) if process is not None and process.signal else None,
        "stopped": stopped,
        "ranks_expected": request.world_size,
        "ranks_started": sorted(members.by_rank),
        "ranks_succeeded": succeeded,
        "first_failed": first_failed(ranks, members, log),
        "lost_nodes": stopping.watch.lost_nodes() or stopping.watch.silent_nodes(time.monotonic()),
        "launcher_tail": "\n".join(part for part in (tail, trouble) if part),
        "survivors": survivors,
    }
    for rank in range(request.world_size):
        give_room(request.folder, str(rank))
    _write(request, "launch/end.json", document)
    return 0 if len(succeeded) == request.world_size and stopped is None else 1


def _write(request: Request, path: str, document: dict[str, Any]) -> None:
    """A last word. What the disk does not take is said: what is on it by then is for whoever looks next."""
    try:
        write_last(request.folder, path, document, request.spare)
    except OSError as problem:
        say(f"agent run: {path} not written: {problem}")


def _keep_outputs(request: Request) -> None:
    """Before the last word: whoever waits for it ends this machine, and what is in its memory is gone."""
    from .keep import PARTS, keep

    try:
        keep(request.folder, list(PARTS), owns=True, without=tuple(filter(None, [request.secret_file])))
    except Exception as problem:  # noqa: BLE001 - a run's end is told whatever its links are
        say(f"agent run: outputs: {type(problem).__name__}: {problem}")


def first_failed(ranks: dict[int, dict[str, Any]], members: Members, log: str) -> int | None:
    """The rank that failed first and took the others along; None where none failed of its own accord."""
    failed, lost = members.failed(), members.lost()
    if lost and failed and members.went_before(lost[0], failed[0]):
        return lost[0].rank
    aborted = _ABORT.search(read_tail(log, 1 << 20))
    if aborted:
        rank = int(aborted.group(1) or aborted.group(2))
        earlier = [member for member in failed if member.rank != rank]
        if not earlier or ranks.get(rank, {}).get("exception"):
            return rank
    if failed:
        return failed[0].rank
    told = [rank for rank, facts in ranks.items() if facts.get("lost") and facts.get("exception")]
    if told:  # MPICH kills all wrappers at once when a rank aborts; the rank's own log still says why
        return told[0]
    others = lost or members.terminated()
    return others[0].rank if others else None


def _complete_members(request: Request, members: Members) -> None:
    """Writes the facts of ranks whose disk is not this one."""
    try:
        os.makedirs(f"{request.folder}/ranks", exist_ok=True)
    except OSError as problem:
        say(f"agent run: {problem}")
    for rank, member in members.by_rank.items():
        if member.exited_at is not None and _facts_of(request, rank).get("state") != "exited":
            _write(request, f"ranks/{rank}.json", member.facts)


def _facts_of(request: Request, rank: int) -> dict[str, Any]:
    """What a rank wrote down, wherever there was room for it."""
    facts = read_json_or_empty(request.rank_file(rank))
    if facts.get("state") == "exited" or request.spare is None:
        return facts
    return read_json_or_empty(f"{request.spare}/ranks/{rank}.json") or facts


def _complete(request: Request, rank: int, members: Members) -> dict[str, Any]:
    """The final facts of a rank; a wrapper that was killed could not write them itself."""
    facts = _facts_of(request, rank)
    member = members.by_rank.get(rank)
    if facts.get("state") != "exited" and member is not None and member.exited_at is not None:
        return member.facts  # as it told itself; the disk takes nothing
    if facts.get("state") == "exited" or (not facts and member is None):
        return facts
    facts = {**(member.facts if member is not None else {}), **facts}
    facts.update(
        state="exited",
        ended_at=time.time(),
        exit_code=None,
        signal=None,
        success=False,
        lost=True,
        ended_by_launcher=bool(member is not None and member.terminated_at),
        exception=exception_line(request.log_file(rank)),
    )
    _write(request, f"ranks/{rank}.json", facts)
    return facts
