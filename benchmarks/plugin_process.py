"""The plugin as a process of its own, called over gRPC as the engine calls it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import engine_pb2_grpc, provider_pb2, provider_pb2_grpc

from pulumi_training.provider import wire
from pulumi_training.provider.server import OPTIONS

from .bench import COMPONENTS

TOKEN = "training:index:TrainingJob"
SECONDS = 120


class Listener(engine_pb2_grpc.EngineServicer):
    """The engine's log: keeps what the plugin sends, with the time of arrival (`time.time()`)."""

    def __init__(self) -> None:
        self.heard: list[tuple[float, str]] = []
        self._server = grpc.server(ThreadPoolExecutor(4))
        engine_pb2_grpc.add_EngineServicer_to_server(self, self._server)
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def Log(self, request: Any, context: Any) -> Any:
        self.heard.append((time.time(), request.message))
        return empty_pb2.Empty()

    def wait_for(self, words: str, seconds: float = SECONDS) -> float:
        """When a message with these words first came."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for when, message in list(self.heard):
                if words in message:
                    return when
            time.sleep(0.01)
        raise TimeoutError(f"{words!r} was not heard within {seconds:g} s; heard: {self.heard[-3:]}")

    def stop(self) -> None:
        self._server.stop(None)


@dataclass
class Plugin:
    """A running plugin; `started_at` is just before its process was made (`time.perf_counter()`)."""

    process: subprocess.Popen[bytes]
    port: int
    started_at: float
    port_after: float
    listener: Listener
    stub: Any = field(init=False)

    def __post_init__(self) -> None:
        self._channel = grpc.insecure_channel(f"127.0.0.1:{self.port}", options=OPTIONS)
        self.stub = provider_pb2_grpc.ResourceProviderStub(self._channel)

    def configure(self) -> None:
        request = provider_pb2.ConfigureRequest(acceptSecrets=True, acceptResources=True)
        self.stub.Configure(request, timeout=SECONDS, wait_for_ready=True)

    def check(self, name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """The checked inputs. Raises ValueError with every failure."""
        request = provider_pb2.CheckRequest(urn=urn(name), news=wire.encode(inputs), olds=wire.encode({}))
        answer = self.stub.Check(request, timeout=SECONDS, wait_for_ready=True)
        if answer.failures:
            raise ValueError("; ".join(f"{f.property}: {f.reason}" for f in answer.failures))
        return dict(wire.decode(answer.inputs))

    def create_later(self, name: str, checked: Mapping[str, Any]) -> Any:
        """The future of a Create."""
        request = provider_pb2.CreateRequest(urn=urn(name), properties=wire.encode(checked))
        return self.stub.Create.future(request, timeout=SECONDS)

    def create(self, name: str, checked: Mapping[str, Any]) -> dict[str, Any]:
        """The outputs of a job that was created and reached its goal."""
        return dict(wire.decode(self.create_later(name, checked).result().properties))

    def close(self) -> None:
        self._channel.close()
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()


def start(cwd: Path, listener: Listener) -> Plugin:
    """Starts the plugin from its folder and waits for its port."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, str(COMPONENTS), listener.address],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout
    line = process.stdout.readline()
    took = time.perf_counter() - started
    if not line.strip().isdigit():
        process.kill()
        raise RuntimeError("the plugin ended without a port")
    return Plugin(process, int(line), started, took, listener)


@contextmanager
def running(cwd: Path) -> Iterator[Plugin]:
    """A configured plugin that serves for the length of the block, warm: its handlers are loaded."""
    listener = Listener()
    plugin = start(cwd, listener)
    try:
        plugin.configure()
        yield plugin
    finally:
        plugin.close()
        listener.stop()


def urn(name: str) -> str:
    """The URN of a job of the benchmarks."""
    return f"urn:pulumi:bench::benchmarks::{TOKEN}::{name}"


def job(store: Path, *, nodes: int = 1, processes: int = 1, **more: Any) -> dict[str, Any]:
    """The inputs of a job over `./src`; `more` are further ones, by their wire names."""
    is_mpi = nodes * processes > 1
    return {
        "compute": {
            "target": "local",
            "workspace": "bench",
            "store": str(store),
            "cluster": "cpu",
            "maxNodes": 4,
            "slotsPerNode": 4,
        },
        "sourceDirectory": "./src",
        "entryScript": "train.py",
        "nodeCount": nodes,
        "processCountPerNode": processes,
        **({"distributedBackend": "mpi"} if is_mpi else {}),
        **more,
    }


def docker_job(
    store: Path, environment: Mapping[str, Any], *, nodes: int = 1, processes: int = 1, **variables: str
) -> dict[str, Any]:
    """The same in containers; `variables` are the script's environment variables."""
    inputs = job(store, nodes=nodes, processes=processes)
    compute = {**inputs["compute"], "target": "docker"}
    return {
        **inputs,
        "compute": compute,
        "environment": dict(environment),
        "environmentVariables": variables,
    }
