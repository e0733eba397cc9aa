"""The gRPC server's life: start, print the port, serve, end."""

from __future__ import annotations

import asyncio
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import grpc.aio
from pulumi.runtime.proto import provider_pb2_grpc

from .liveness import wait_until_gone
from .registry import Registry
from .servicer import TrainingServicer

OPTIONS: Final = [
    ("grpc.max_receive_message_length", 400 << 20),
    ("grpc.max_send_message_length", 400 << 20),
    # A request may wait this long for a busy loop; the default of 30 s cancels it, and the operation fails.
    ("grpc.server_max_unrequested_time_in_server", 30 * 60),
]
"""As the SDK's own servers have them."""

DEFAULT_THREADS: Final = 64
"""For the SDK, which registers the children of components on the loop's default executor."""

GRACE: Final = 5.0
"""Seconds that calls have to notice that they are detached."""


async def serve(engine_address: str | None, port_line: int, *, registry: Registry | None = None) -> int:
    """Serves until told to end; returns the exit code. `port_line` is the descriptor the port goes to."""
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(DEFAULT_THREADS, thread_name_prefix="sdk"))
    life = Life(engine_address)
    servicer = TrainingServicer(engine_address, registry=registry, on_cancel=life.cancelled)
    life.servicer = servicer
    server = grpc.aio.server(options=OPTIONS)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    loop.add_signal_handler(signal.SIGINT, life.interrupted)
    loop.add_signal_handler(signal.SIGTERM, life.terminated)
    os.write(port_line, f"{port}\n".encode())
    servicer.registry.warm()
    watch = loop.create_task(life.watch_engine())
    await life.ended.wait()
    watch.cancel()
    await life.land()
    await server.stop(grace=1.0)
    await servicer.log.close()
    return 0


class Life:
    """When the process ends, and how."""

    servicer: TrainingServicer

    def __init__(self, engine_address: str | None) -> None:
        self.ended = asyncio.Event()
        self._engine_address = engine_address
        self._is_cancelled = self._is_interrupted = self._is_detached = False

    async def watch_engine(self) -> None:
        """Ends the process, leaving its runs to themselves, when the engine is gone."""
        if self._engine_address:
            await wait_until_gone(self._engine_address)
            self.terminated()

    def terminated(self) -> None:
        """Nobody waits for an answer any more."""
        self._is_detached = True
        self.servicer.flight.detach()
        self.ended.set()

    def interrupted(self) -> None:
        """SIGINT: from a terminal's Ctrl-C, or from the engine after its closing Cancel."""
        self._is_interrupted = True
        self._end_if_done()

    def cancelled(self) -> None:
        """The engine said Cancel."""
        self._is_cancelled = True
        self._end_if_done()

    async def land(self) -> None:
        """Waits for the calls in flight, but not for ever when nobody reads their answers."""
        await self.servicer.flight.wait_idle(GRACE if self._is_detached else None)

    def _end_if_done(self) -> None:
        # With an engine, an interrupt alone is a Ctrl-C that the engine will turn into a Cancel.
        if self._is_interrupted and (self._is_cancelled or not self._engine_address):
            self.ended.set()
