"""What can be seen of an attempt on this machine: the agent's files, and whether the agent lives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ...spec.attribution import LaunchFacts, RankFacts
from ...spec.outcome import Status
from ..base import Handle, Observation, Watch
from . import agent_process


class LocalWatch(Watch):
    """Looks at the attempt's folder; a look costs two system calls while the run lives."""

    def observe(self, handle: Handle) -> Observation:
        """See `Watch.observe`. An agent that died without a last word takes its ranks with it here.

        Such an attempt is Failed and has no facts of its launch; one whose agent came never so far as to launch
        anything is NotStarted.
        """
        folder = Path(handle.folder)
        if not agent_process.has_ended(folder):
            if agent_process.is_live(folder):
                return Observation(Status.RUNNING)
            if not agent_process.has_ended(folder):
                if not agent_process.was_begun(folder):
                    return Observation(Status.NOT_STARTED)
                agent_process.end_all(handle)
                was_launched = agent_process.was_launched(folder)
                return Observation(
                    Status.FAILED if was_launched else Status.NOT_STARTED, ranks=_ranks(folder)
                )
        ranks = _ranks(folder)
        end = _read(folder / "launch" / "end.json")
        if not end:
            return Observation(Status.FAILED, ranks)  # damaged: nothing may be read out of it
        launch = LaunchFacts.from_json(end)
        is_whole = launch.stopped_why is None and sum(r.success for r in ranks) == launch.ranks_expected
        return Observation(
            Status.COMPLETED if is_whole else Status.FAILED, ranks, launch, _first_start(ranks)
        )

    def read_log(self, handle: Handle, rank: int, start: int, limit: int = 1 << 20) -> bytes:
        """See `Watch.read_log`."""
        try:
            with _log(Path(handle.folder), rank).open("rb") as stream:
                stream.seek(start)
                return stream.read(limit)
        except FileNotFoundError:
            return b""


def _ranks(folder: Path) -> tuple[RankFacts, ...]:
    documents = (_read(path) for path in (folder / "ranks").glob("*.json"))
    facts = [
        RankFacts.from_json(d, "" if d.get("success") else _tail(folder, int(d["rank"])))
        for d in documents
        if "rank" in d
    ]
    return tuple(sorted(facts, key=lambda f: f.rank))


def _tail(folder: Path, rank: int) -> str:
    try:
        with _log(folder, rank).open("rb") as stream:
            stream.seek(max(0, stream.seek(0, 2) - 4096))
            return "\n".join(stream.read().decode("utf-8", "replace").splitlines()[-20:])
    except FileNotFoundError:
        return ""


def _log(folder: Path, rank: int) -> Path:
    return folder / "logs" / "std" / f"rank-{rank}.log"


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def _first_start(ranks: tuple[RankFacts, ...]) -> float | None:
    return min((r.started_at for r in ranks if r.started_at), default=None)
