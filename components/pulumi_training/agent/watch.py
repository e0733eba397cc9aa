"""The limits of a launch, and the nodes that fell silent: what must be noticed although nobody says it."""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .members import Member, Members
    from .request import Request

SILENCE_SECONDS = 15.0
"""A node none of whose ranks was heard for so long is lost, if others beat meanwhile."""
TOGETHER_SECONDS = 0.15
"""Ranks of one node that go within this time went together."""


class Watch:
    """Looks at the clock and at the ranks' last words."""

    def __init__(self, request: Request, members: Members) -> None:
        self._request = request
        self._members = members
        self._started = time.monotonic()
        self.fell_silent: list[int] = []

    def find(self, now: float) -> tuple[str, str, int | None] | None:
        """The first limit that is over: (why, detail, rank or None); None while all is well."""
        limits, members = self._request.limits, self._members
        missing = members.missing()
        if missing and now > self._started + limits.start:
            names = ", ".join(str(rank) for rank in missing[:20])
            return "start_timeout", f"no word from rank {names} within {limits.start:g} s", missing[0]
        if limits.run is not None and now > self._started + limits.run:
            return "run_timeout", f"ran for more than {limits.run:g} s", None
        silent = self.silent_nodes(now)
        if silent:
            self.fell_silent = silent  # once they are stopped, nobody can tell any more
            rank = silent[0] * self._request.ranks_per_node
            return "rank_lost", f"no heartbeat from node {silent[0]} for {SILENCE_SECONDS:g} s", rank
        active = members.last_activity()
        if limits.stall is not None and not missing and active and now > active + limits.stall:
            return "stalled", f"no output, metric or file for {limits.stall:g} s", None
        return None

    def silent_nodes(self, now: float) -> list[int]:
        """Nodes with live ranks of which none beats, while a rank of another node does."""
        live = [member for member in self._members.by_rank.values() if not member.has_ended]
        heard = {self._node(member) for member in live if now <= member.beat_at + SILENCE_SECONDS}
        return sorted({self._node(member) for member in live} - heard) if heard else []

    def lost_nodes(self) -> list[int]:
        """Nodes that fell silent, or whose ranks all went without a word, the first ones together."""
        if self.fell_silent:
            return self.fell_silent
        lost = self._members.lost()
        if not lost:
            return []
        first = lost[0].lost_at or 0.0
        together = {member.rank for member in lost if (member.lost_at or 0.0) <= first + TOGETHER_SECONDS}
        if len(together) == self._request.world_size:
            return []  # the launcher ended them all: MPICH does so for an abort
        per_node = self._request.ranks_per_node
        return [
            node
            for node in range(self._request.node_count)
            if all(rank in together for rank in range(node * per_node, (node + 1) * per_node))
        ]

    def _node(self, member: Member) -> int:
        return self._request.node_of(member.rank)
