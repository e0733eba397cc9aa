"""The engine and the monitor as the tests play them, a client of the plugin, and the plugin as a process."""

from __future__ import annotations

import asyncio
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import toy
from pulumi.runtime.proto import (
    engine_pb2,
    engine_pb2_grpc,
    provider_pb2,
    provider_pb2_grpc,
    resource_pb2,
    resource_pb2_grpc,
)

from pulumi_training.provider import wire
from pulumi_training.provider.registry import Registry
from pulumi_training.provider.server import OPTIONS
from pulumi_training.provider.servicer import TrainingServicer
from pulumi_training.provider.status_message import share

HERE = Path(__file__).parent
URN = f"urn:pulumi:dev::shop::{toy.TOKEN}::fit"


class FakeEngine(engine_pb2_grpc.EngineServicer):
    """Collects what is logged, with the time of arrival."""

    def __init__(self) -> None:
        self.logged: list[tuple[float, Any]] = []
        self._server = grpc.server(ThreadPoolExecutor(4))
        engine_pb2_grpc.add_EngineServicer_to_server(self, self._server)
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def Log(self, request: Any, context: Any) -> Any:
        self.logged.append((time.monotonic(), request))
        return engine_pb2.google_dot_protobuf_dot_empty__pb2.Empty()

    def lines(self, *, ephemeral: bool = True) -> list[str]:
        return [request.message for _, request in self.logged if request.ephemeral is ephemeral]

    def stop(self) -> None:
        self._server.stop(None).wait()


class FakeMonitor(resource_pb2_grpc.ResourceMonitorServicer):
    """Registers what components declare; inputs come back as outputs."""

    def __init__(self) -> None:
        self.registered: list[Any] = []
        self._server = grpc.server(ThreadPoolExecutor(8))
        resource_pb2_grpc.add_ResourceMonitorServicer_to_server(self, self._server)
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def GetDeploymentInfo(self, request: Any, context: Any) -> Any:
        features = resource_pb2.ResourceMonitorFeature.values()
        return resource_pb2.DeploymentInfo(supportedFeatures=features)

    def SupportsFeature(self, request: Any, context: Any) -> Any:
        return resource_pb2.SupportsFeatureResponse(hasSupport=True)

    def RegisterResource(self, request: Any, context: Any) -> Any:
        self.registered.append(request)
        urn = f"urn:pulumi:dev::shop::{request.type}::{request.name}"
        identity = f"{request.name}-id" if request.custom else ""
        return resource_pb2.RegisterResourceResponse(urn=urn, id=identity, object=request.object)

    def RegisterResourceOutputs(self, request: Any, context: Any) -> Any:
        return engine_pb2.google_dot_protobuf_dot_empty__pb2.Empty()

    def stop(self) -> None:
        self._server.stop(None).wait()


@dataclass
class Client:
    """The engine's side of the connection, with plain Python values."""

    port: int
    stub: Any = field(init=False)
    channel: Any = field(init=False)

    def __post_init__(self) -> None:
        options = [
            *OPTIONS,
            ("grpc.max_metadata_size", 16 << 20),
            ("grpc.absolute_max_metadata_size", 16 << 20),
        ]
        self.channel = grpc.insecure_channel(f"127.0.0.1:{self.port}", options=options)
        self.stub = provider_pb2_grpc.ResourceProviderStub(self.channel)

    def check(self, inputs: Mapping[str, Any], olds: Mapping[str, Any] | None = None, **more: Any) -> Any:
        request = provider_pb2.CheckRequest(
            urn=URN, news=wire.encode(inputs), olds=wire.encode(olds or {}), **more
        )
        return self.stub.Check(request, timeout=30)

    def create(self, inputs: Mapping[str, Any], **more: Any) -> Any:
        return self.create_later(inputs, **more).result()

    def create_later(self, inputs: Mapping[str, Any], **more: Any) -> Any:
        request = provider_pb2.CreateRequest(urn=URN, properties=wire.encode(inputs), **more)
        return self.stub.Create.future(request, timeout=60)

    def cancel(self) -> None:
        self.stub.Cancel(provider_pb2.google_dot_protobuf_dot_empty__pb2.Empty(), timeout=10)


@dataclass
class Plugin:
    """The plugin in a thread of this process."""

    client: Client
    toy: toy.Toy
    servicer: TrainingServicer


def details(error: grpc.RpcError, message: Any) -> Any:
    """The detail of an error, decoded into `message`; fails where there is none."""
    raw = dict(error.trailing_metadata())["grpc-status-details-bin"]
    status = share().Status.FromString(raw)
    assert status.details[0].Unpack(message), status
    return message


class running:
    """A servicer on an event loop of its own thread."""

    def __init__(self, load: Callable[[], Any], engine_address: str | None) -> None:
        self._load, self._engine_address = load, engine_address
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), daemon=True)

    def __enter__(self) -> tuple[TrainingServicer, int]:
        self._thread.start()
        assert self._ready.wait(10)
        return self._servicer, self._port

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)

    async def _main(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        self._servicer = TrainingServicer(self._engine_address, registry=Registry(self._load))
        server = grpc.aio.server(options=OPTIONS)
        provider_pb2_grpc.add_ResourceProviderServicer_to_server(self._servicer, server)
        self._port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        self._ready.set()
        await self._end.wait()
        await server.stop(None)
        await self._servicer.log.close()


@dataclass
class Process:
    """The plugin in a process of its own."""

    process: subprocess.Popen[bytes]
    port: int
    client: Client
    started: Path
    """There as soon as a call is at work."""

    def begin(self, inputs: Mapping[str, Any]) -> Any:
        """A create that is at work, and not only sent: requests may overtake each other."""
        create = self.client.create_later(inputs)
        until = time.monotonic() + 30
        while not self.started.exists():
            assert time.monotonic() < until and not create.done(), "the create does not start"
            time.sleep(0.01)
        return create
