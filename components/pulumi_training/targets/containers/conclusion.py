"""The facts of a run in its attempt's folder, as the nodes sent them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...agent.beneath import read_beneath
from ...record.files import write_whole
from ...record.store import explained
from ...spec.document import DamagedDocument, Shape, Time, fitting, object_or_none
from ...spec.outcome import Status
from ..contract.observation import Observation
from .mark import MarkFile

if TYPE_CHECKING:
    from ...spec.attribution import LaunchFacts, RankFacts

_NODES = "launch/nodes.json"
_KILLED = "launch/killed.json"
_TOGETHER_SECONDS = 0.5
_SHAPE: Shape = {"lost": dict[str, tuple[str, Time | None]]}


@dataclass(frozen=True)
class LostNode:
    """A node whose container ended before the run did. `ended_at` is in seconds since 1970 (UTC)."""

    words: str
    ended_at: float | None = None


@dataclass(frozen=True)
class Conclusion:
    """What was seen of the nodes when an attempt was over and all its facts were here."""

    lost: Mapping[int, LostNode] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Notes it: from now on the attempt is answered without the backend."""
        document = {"lost": {str(node): [lost.words, lost.ended_at] for node, lost in self.lost.items()}}
        with explained(folder, "that the attempt is over cannot be noted there"):
            write_whole(folder / _NODES, json.dumps(document).encode())

    @classmethod
    def read(cls, folder: Path) -> Conclusion | None:
        """What `write` noted, or None while the attempt may live."""
        document = read_json(folder / _NODES)
        try:
            lost = fitting(_SHAPE, document, str(folder / _NODES)).get("lost")
            return None if lost is None else cls({int(node): LostNode(*said) for node, said in lost.items()})
        except (DamagedDocument, ValueError):
            return None  # as one that was never written: whoever looks next concludes again


def note_killed(folder: Path) -> None:
    """Notes that what ends next was ended by us."""
    with explained(folder, "that the attempt is ended cannot be noted there"):
        write_whole(folder / _KILLED, b"{}")


def was_killed(folder: Path) -> bool:
    """Whether containers that ended were ended by us."""
    return (folder / _KILLED).exists()


def concluded(folder: Path, conclusion: Conclusion, mark: MarkFile) -> Observation:
    """The last observation of an attempt, from its folder alone."""
    from ...spec.attribution import launch_facts, launch_of_markers

    ranks = read_ranks(folder)
    end = read_json(folder / "launch" / "end.json")
    launch = launch_facts(end)
    has_last_word = (
        launch is not None
    )  # a disk that was full took none, and nothing is read out of a damaged one
    named = mark.read(folder).get("ranks") if conclusion.lost or not has_last_word else 0
    expected = (
        named if isinstance(named, int) else 0
    )  # how many ranks were to be started; 0 where nobody can tell
    launch = _with_lost(launch, conclusion.lost, ranks, expected)
    if not has_last_word:
        launch = launch_of_markers(expected, ranks) or launch
    if launch is None:
        return Observation(Status.FAILED, ranks)
    is_whole = launch.stopped_why is None and sum(r.success for r in ranks) == launch.ranks_expected
    started = min((r.started_at for r in ranks if r.started_at), default=None)
    return Observation(Status.COMPLETED if is_whole else Status.FAILED, ranks, launch, started)


def _with_lost(
    launch: LaunchFacts | None,
    lost: Mapping[int, LostNode],
    ranks: tuple[RankFacts, ...],
    ranks_expected: int,
) -> LaunchFacts | None:
    """A container's end is a fact, and wins over what the agent of another node made of the silence."""
    if not lost:
        return launch
    words = "; ".join(lost[node].words for node in sorted(lost))
    if launch is None:
        from ...spec.attribution import LaunchFacts

        expected = ranks_expected or len(ranks) or 1
        return LaunchFacts(
            stopped_why="rank_lost", ranks_expected=expected, lost_nodes=tuple(sorted(lost)), lost_words=words
        )
    first = next((r for r in ranks if r.rank == launch.first_failed and not r.lost), None)
    times = [node.ended_at for node in lost.values() if node.ended_at is not None]
    if first is not None and first.ended_at and times and first.ended_at < min(times) - _TOGETHER_SECONDS:
        return launch
    return replace(launch, stopped_why="rank_lost", lost_nodes=tuple(sorted(lost)), lost_words=words)


def read_ranks(folder: Path) -> tuple[RankFacts, ...]:
    """The facts of every rank that has left any, with the end of its log where it did not succeed."""
    from ...spec.attribution import rank_facts

    return rank_facts(
        filter(None, map(read_json, (folder / "ranks").glob("*.json"))), lambda rank: _tail(folder, rank)
    )


def is_better(content: bytes, path: Path) -> bool:
    """Whether a rank's facts say more than those that are here.

    Node 0 completes the facts of ranks whose node it cannot see; the rank's own last word is better.
    """
    old = read_json(path)
    if not old:
        return True
    new = object_or_none(content)
    if new is None:
        return False
    return _worth(new) >= _worth(old)


def _worth(facts: Mapping[str, object]) -> int:
    if facts.get("state") != "exited":
        return 0
    return 1 if facts.get("lost") else 2


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object, or {} where there is none that can be read."""
    try:
        with read_beneath(str(path.parent), path.name) as stream:
            return object_or_none(stream.read()) or {}
    except OSError:
        return {}


def _tail(folder: Path, rank: int) -> str:
    try:
        with read_beneath(str(folder), f"logs/std/rank-{rank}.log") as stream:
            stream.seek(max(0, stream.seek(0, 2) - 4096))
            return "\n".join(stream.read().decode("utf-8", "replace").splitlines()[-20:])
    except OSError:
        return ""
