"""A rank's line to `agent run`: made when it can be, and lost when that process is gone."""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .channel import Channel

_CONNECT_SECONDS = 5.0


class RunLine:
    """Sockets and proofs are loaded with the first connection: the script is started before."""

    def __init__(self) -> None:
        self._channel: Channel | None = None
        self._until = 0.0
        self._is_lost = False
        self._is_admitted = False

    @property
    def is_open(self) -> bool:
        """Whether messages reach `agent run`."""
        return self._channel is not None

    def fileno(self) -> int:
        """What to poll while the line is open."""
        assert self._channel is not None
        return self._channel.fileno()

    def seek(self, seconds: float) -> None:
        """From now on, and for so many seconds, `connect` tries."""
        self._until = time.monotonic() + seconds

    def connect(self, hello: dict[str, Any]) -> bool:
        """Tries once, if there is anything to try; whether the line was made just now."""
        if self._channel is not None or not self._until or time.monotonic() > self._until:
            return False
        from . import channel

        address = os.environ.get(channel.ADDRESS_VARIABLE, "")
        if not address:
            self._until = 0.0
            return False
        try:
            line = channel.connect(address, _CONNECT_SECONDS)
            nonce = line.read_line()
            line.send_line(channel.prove(os.environ.get(channel.SECRET_VARIABLE, ""), nonce, hello))
        except channel.ChannelClosed:
            return False  # tried again at the next beat
        self._channel = line
        return True

    def tell(self, message: dict[str, Any]) -> bool:
        """Sends a message; False where nobody hears it."""
        from .channel import ChannelClosed

        if self._channel is None:
            return False
        try:
            self._channel.send(message)
        except ChannelClosed:
            self._lose()
            return False
        return True

    def orders(self) -> list[dict[str, Any]]:
        """What `agent run` wants; nothing where the line is lost."""
        from .channel import ChannelClosed
        from .plainjson import loads

        assert self._channel is not None
        try:
            orders = [loads(line.decode("utf-8")) for line in self._channel.receive()]
        except ChannelClosed:
            self._lose()
            return []
        if orders and not self._is_admitted:
            del orders[0]  # `channel.ADMITTED`
            self._is_admitted, self._until = True, 0.0
        return orders

    def was_lost(self) -> bool:
        """Whether the line was lost since this was asked last."""
        lost, self._is_lost = self._is_lost, False
        return lost

    def _lose(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None
            # Turned away at a crowded door, it comes again; only who was admitted has lost anything.
            self._is_lost = self._is_admitted
