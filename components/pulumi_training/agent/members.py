"""The ranks as `agent run` knows them: who has come, what they said last, who is gone without a word."""

from __future__ import annotations

import time

from . import channel
from .plainjson import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from .door import Door
    from .request import Request


class Member:
    """One rank's connection. Times are monotonic seconds."""

    def __init__(self, rank: int, line: channel.Channel | None, facts: dict[str, Any]) -> None:
        self.rank = rank
        self.line = line
        self.facts = facts
        self.beat_at = self.active_at = time.monotonic()
        self.exited_at: float | None = None
        self.lost_at: float | None = None
        self.terminated_at: float | None = None
        self.stacks_saved: bool | None = None

    @property
    def has_ended(self) -> bool:
        """Whether its script has ended, as told or as must be assumed."""
        return self.exited_at is not None or self.lost_at is not None

    @property
    def succeeded(self) -> bool:
        """Whether it has said that its script exited 0."""
        return self.exited_at is not None and bool(self.facts.get("success"))


class Members:
    """All ranks that proved themselves, by rank."""

    def __init__(self, request: Request, door: Door) -> None:
        self._request = request
        self._door = door
        self._lines: dict[int, Member] = {}
        self.by_rank: dict[int, Member] = {}

    def descriptors(self) -> Iterable[int]:
        """For poll."""
        return [*self._door.descriptors(), *self._lines]

    def hear(self, fd: int) -> None:
        """Takes in what has come on a connection; who is gone is noted as gone."""
        if fd not in self._lines:
            admitted = self._door.hear(fd)
            if admitted is not None:
                self._admit(*admitted)
            return
        line = self._lines[fd].line
        assert line is not None
        try:
            self._take(fd, line.receive())
        except channel.ChannelClosed:
            self._part(fd)

    def tell(self, order: dict[str, Any], ranks: Iterable[int] | None = None) -> None:
        """Sends an order to some ranks, or to all."""
        for rank in list(self.by_rank) if ranks is None else ranks:
            member = self.by_rank[rank]
            if member.line is None:
                continue
            try:
                member.line.send(order)
            except channel.ChannelClosed:
                self._part(member.line.fileno())

    def missing(self) -> list[int]:
        """Ranks that never came."""
        return [rank for rank in range(self._request.world_size) if rank not in self.by_rank]

    def are_connected(self) -> bool:
        """Whether any rank still holds its line."""
        return bool(self._lines) or not self._door.is_empty

    def have_all_ended(self) -> bool:
        """Whether no script of a rank that came can be running."""
        return all(member.has_ended for member in self.by_rank.values())

    def lost(self) -> list[Member]:
        """Ranks whose wrapper went without a word, first one first."""
        gone = [m for m in self.by_rank.values() if m.lost_at is not None and m.terminated_at is None]
        return sorted(gone, key=lambda member: (round(member.lost_at or 0.0, 1), member.rank))

    def went_before(self, lost: Member, failed: Member) -> bool:
        """Whether a loss came first: ranks fail because their peer is gone, not the other way round."""
        return (lost.lost_at or 0.0) <= (failed.exited_at or 0.0)

    def terminated(self) -> list[Member]:
        """Ranks that the launcher ended of its own accord, first one first."""
        told = [member for member in self.by_rank.values() if member.terminated_at is not None]
        return sorted(told, key=lambda member: (member.facts.get("ended_at") or time.time(), member.rank))

    def failed(self) -> list[Member]:
        """Ranks whose script failed of its own accord, first one first."""
        own = [
            member
            for member in self.by_rank.values()
            if member.exited_at is not None
            and not (
                member.succeeded or member.facts.get("stopped_by_us") or member.facts.get("ended_by_launcher")
            )
        ]
        return sorted(own, key=lambda member: (member.facts.get("ended_at") or 0.0, member.rank))

    def last_activity(self) -> float:
        """Monotonic seconds of the newest sign of life of any rank."""
        return max((member.active_at for member in self.by_rank.values()), default=0.0)

    def _admit(self, line: channel.Channel, hello: dict[str, Any], behind: list[bytes]) -> None:
        try:
            rank, facts = int(hello["rank"]), dict(hello["facts"])
            if hello.get("t") != "hello" or not 0 <= rank < self._request.world_size:
                raise ValueError("not a hello")
        except (ValueError, KeyError, TypeError):
            line.close()
            return
        fd = line.fileno()
        self._lines[fd] = self.by_rank[rank] = Member(rank, line, facts)
        self._take(fd, behind)

    def _take(self, fd: int, lines: list[bytes]) -> None:
        try:
            for each in lines:
                self._note(self._lines[fd], loads(each.decode("utf-8")))
        except (ValueError, KeyError):
            self._part(fd)

    def _note(self, member: Member, message: dict[str, Any]) -> None:
        kind, now = message["t"], time.monotonic()
        member.beat_at = now
        if kind == "beat":
            member.active_at = max(member.active_at, now - float(message["idle"]))
        elif kind == "terminated":
            member.terminated_at = now
        elif kind == "stacks":
            member.stacks_saved = bool(message["saved"])
        elif kind == "exited":
            member.facts, member.exited_at = message["facts"], now

    def _part(self, fd: int) -> None:
        member = self._lines.pop(fd)
        if member.line is not None:
            member.line.close()
            member.line = None
        if member.exited_at is None and member.lost_at is None:
            member.lost_at = time.monotonic()
