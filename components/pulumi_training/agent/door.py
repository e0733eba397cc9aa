"""The door of a listener: connections that have yet to prove that they know the run's secret, few and for a short time.

Whoever reaches the address can connect. Nobody may thereby take the descriptors, the memory or the processes that a
run needs, nor keep its own ranks out.
"""

from __future__ import annotations

import errno
import os
import select
import time

from . import channel

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from typing import Any

GUESTS = 64
"""Connections at the door at a time; more where more ranks than that may come at once."""
AT_ONCE = 16
"""How many come in before those who are in are heard."""
SECONDS_TO_PROVE = 10.0
REST_SECONDS = 0.5
LINE_BYTES = 64 << 10
"""A first line longer than this is no proof."""
_SPARED = 96
"""Descriptors left to everything else that the process opens."""
_NONE_LEFT = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class _Guest:
    """One connection at the door; `since` is in monotonic seconds."""

    def __init__(self, line: channel.Channel, host: str) -> None:
        self.line, self.host = line, host
        self.nonce, self.since = channel.new_nonce(), time.monotonic()


class Door:
    """Lets in who proves to know `secret`, from the listening socket `server`; `expected` says how many may come at once."""

    def __init__(
        self, server: _socket.socket, secret: str, *, expected: int = 0, seconds: float = SECONDS_TO_PROVE
    ) -> None:
        server.settimeout(0)  # who knocked may be gone when the door is opened
        self._server, self._secret, self._seconds = server, secret, seconds
        self._room = guests_at_once(expected)
        self._guests: dict[int, _Guest] = {}
        self._rests_until = 0.0

    @property
    def is_empty(self) -> bool:
        """Whether nobody stands there."""
        return not self._guests

    def descriptors(self) -> list[int]:
        """For poll. Who has not proven anything in time is turned away first."""
        now = time.monotonic()
        for fd in [fd for fd, guest in self._guests.items() if now - guest.since > self._seconds]:
            self._turn_away(fd)
        listening = [self._server.fileno()] if now >= self._rests_until else []
        return [*listening, *self._guests]

    def wait(self, seconds: float) -> list[int]:
        """The descriptors on which something has come within `seconds`."""
        poll = select.poll()
        for fd in self.descriptors():
            poll.register(fd, select.POLLIN)
        return [fd for fd, _ in poll.poll(seconds * 1000)]

    def hear(self, fd: int) -> tuple[channel.Channel, dict[str, Any], list[bytes]] | None:
        """Who is let in by what has come on a descriptor of the door: the line, its message, and what came behind it."""
        if fd == self._server.fileno():
            for _ in range(AT_ONCE):
                if not self._open():
                    break
            return None
        guest = self._guests.get(fd)
        if guest is None:
            return None  # turned away since it was polled
        try:
            lines = guest.line.receive(LINE_BYTES)
            if not lines:
                return None
            message = channel.check_proof(self._secret, guest.nonce, lines[0])
            guest.line.send(channel.ADMITTED)
        except channel.ChannelClosed:
            self._turn_away(fd)
            return None
        del self._guests[fd]
        return guest.line, message, lines[1:]

    def close(self) -> None:
        """Turns everybody away and listens no more."""
        for fd in list(self._guests):
            self._turn_away(fd)
        self._server.close()

    def _open(self) -> bool:
        """Takes in one who knocks; False where there is nobody, or no descriptor for another."""
        try:
            sock, host = channel.accept(self._server)
        except OSError as problem:
            if problem.errno in _NONE_LEFT and not self._turn_one_away():
                self._rests_until = time.monotonic() + REST_SECONDS  # poll would say so again at once
            return False
        while len(self._guests) >= self._room:
            self._turn_one_away()
        guest = _Guest(channel.Channel(sock), host)
        try:
            guest.line.send_line(guest.nonce)
        except channel.ChannelClosed:
            guest.line.close()
            return True
        self._guests[guest.line.fileno()] = guest
        return True

    def _turn_one_away(self) -> bool:
        """The oldest of the machine that has most at the door: another's flood keeps no node's ranks out."""
        if not self._guests:
            return False
        crowd: dict[str, int] = {}
        for guest in self._guests.values():
            crowd[guest.host] = crowd.get(guest.host, 0) + 1
        most = max(crowd, key=lambda host: crowd[host])
        self._turn_away(next(fd for fd, guest in self._guests.items() if guest.host == most))
        return True

    def _turn_away(self, fd: int) -> None:
        self._guests.pop(fd).line.close()


def guests_at_once(expected: int) -> int:
    """How many may stand at the door of a process that needs a descriptor for each of `expected` connections as well."""
    allowed = os.sysconf("SC_OPEN_MAX")
    wanted = max(GUESTS, 2 * expected)
    return wanted if allowed < 0 else max(8, min(wanted, allowed - expected - _SPARED))
