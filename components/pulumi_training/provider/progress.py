"""What a resource's row shows while an operation runs, sent to the engine over its own connection.

Lines are ephemeral: at most one a second, the latest wins and the last is always sent; a silent operation
repeats its last line with the time elapsed once a minute, because CI systems kill what is silent. Nothing
here ever fails an operation: an engine that is gone is noticed elsewhere (`liveness`).
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

import grpc
import grpc.aio
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

from ..spec.errors import mask, shorten

LINE_LIMIT: Final = 300
"""Characters of a row's line."""

EVERY: Final = 1.0
"""Seconds between two lines of one operation."""

HEARTBEAT: Final = 60.0
"""Seconds after which the last line is repeated."""

SEND_TIMEOUT: Final = 5.0


class EngineLog:
    """The connection to the engine's log. Without an address, and after an error, sending does nothing."""

    def __init__(self, address: str | None) -> None:
        self.address = address
        self._channel: Any = None
        self._stub: Any = None

    async def send(
        self, text: str, *, urn: str, severity: Any = engine_pb2.INFO, ephemeral: bool = False
    ) -> bool:
        """Sends one message; False when the engine did not take it."""
        if not self.address:
            return False
        request = engine_pb2.LogRequest(severity=severity, message=text, urn=urn, ephemeral=ephemeral)
        try:
            await self._connected().Log(request, timeout=SEND_TIMEOUT)
        except (grpc.RpcError, grpc.aio.UsageError, asyncio.InvalidStateError):
            return False
        return True

    async def move(self, address: str) -> None:
        """Talks to the engine at another address from now on."""
        if address and address != self.address:
            await self.close()
            self.address = address

    async def close(self) -> None:
        """Ends the connection."""
        channel, self._channel, self._stub = self._channel, None, None
        if channel is not None:
            await channel.close()

    def _connected(self) -> Any:
        if self._stub is None:
            self._channel = grpc.aio.insecure_channel(self.address)
            self._stub = engine_pb2_grpc.EngineStub(self._channel)
        return self._stub


class CallProgress:
    """The progress of one operation; made on the event loop, used from any thread, ended by `finish`."""

    def __init__(
        self,
        log: EngineLog,
        urn: str,
        secrets: Sequence[str] = (),
        *,
        every: float = EVERY,
        heartbeat: float = HEARTBEAT,
    ) -> None:
        self._log, self._urn, self._secrets = log, urn, secrets
        self._every, self._heartbeat = every, heartbeat
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._started = self._loop.time()
        self._durable: deque[tuple[int, str]] = deque()
        self._line: str | None = None
        self._shown = ""
        self._wake = asyncio.Event()
        self._is_finished = False
        self._sender = self._loop.create_task(self._send_all())

    def line(self, text: str) -> None:
        """Shows `text` in the resource's row, at most one a second; the latest wins."""
        # Masked before it is cut: half a secret would not be recognised.
        self._line = one_line(mask(text, self._secrets))
        self._notify()

    def info(self, text: str) -> None:
        """Prints `text` under the resource when the operation ends."""
        self._keep(engine_pb2.INFO, text)

    def warning(self, text: str) -> None:
        """As `info`, as a warning."""
        self._keep(engine_pb2.WARNING, text)

    async def finish(self) -> None:
        """Sends what is left, within `SEND_TIMEOUT`, and ends."""
        self._is_finished = True
        self._wake.set()
        await asyncio.wait([self._sender], timeout=SEND_TIMEOUT)
        self._sender.cancel()

    def _keep(self, severity: int, text: str) -> None:
        self._durable.append((severity, shorten(clean(mask(text, self._secrets)))))
        self._notify()

    def _notify(self) -> None:
        if threading.get_ident() == self._thread:
            self._wake.set()
            return
        try:
            self._loop.call_soon_threadsafe(self._wake.set)
        except RuntimeError:
            self._is_finished = True  # the loop is closed: the process is ending

    async def _send_all(self) -> None:
        last = self._loop.time() - self._every
        while True:
            self._wake.clear()
            while self._durable:
                severity, text = self._durable.popleft()
                await self._log.send(text, urn=self._urn, severity=severity)
            now = self._loop.time()
            if self._line is not None and (self._is_finished or now - last >= self._every):
                line, self._line = self._line, None
                if line != self._shown:
                    self._shown, last = line, now
                    await self._log.send(line, urn=self._urn, ephemeral=True)
                continue
            if self._is_finished and not self._durable:
                return
            if now - last >= self._heartbeat:
                last = now
                await self._log.send(self._beat(now), urn=self._urn, ephemeral=True)
            pause = (self._every if self._line is not None else self._heartbeat) - (now - last)
            await self._sleep(max(0.01, pause), wakes=self._line is None)

    async def _sleep(self, seconds: float, *, wakes: bool) -> None:
        # With a line waiting for its second, further lines need no attention; the end of the operation does.
        deadline = self._loop.time() + seconds
        while (left := deadline - self._loop.time()) > 0:
            try:
                await asyncio.wait_for(self._wake.wait(), left)
            except asyncio.TimeoutError:
                return
            if wakes or self._is_finished or self._durable:
                return
            self._wake.clear()

    def _beat(self, now: float) -> str:
        seconds = int(now - self._started)
        elapsed = f"{seconds // 60} min" if seconds >= 60 else f"{seconds} s"
        return f"{self._shown or 'still working'} ({elapsed})"


def one_line(text: str) -> str:
    """`text` as one line of at most `LINE_LIMIT` characters, without control characters."""
    line = " ".join(clean(text[: 20 * LINE_LIMIT]).split())
    return line if len(line) <= LINE_LIMIT else f"{line[: LINE_LIMIT - 1]}…"


def clean(text: str) -> str:
    """`text` without what would steer a terminal; line breaks and tabs stay."""
    from ..spec.text import safe_log

    return safe_log(text).replace("\r\n", "\n").replace("\r", "\n")
