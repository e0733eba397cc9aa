"""A thousand Creates over gRPC in one plugin: every one is answered, at the price of little memory and no thread each.

The service is a process of its own and really holds a thousand attempts, each with a submission, a state and an end; no
process is started for their ranks, for it has one machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from pulumi.runtime.proto import provider_pb2
from unattended.jobs import OWN, until
from unattended.plugin import FakeEngine, Plugin, urn
from unattended.service import Service

from pulumi_training.provider import wire
from pulumi_training.provider.pool import SIZE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

COUNT = 1000
THREADS = SIZE + 40
"""The plugin's pool for what waits, the driver's own pools, and gRPC's threads, whatever the number of runs."""
MEGABYTES = 200
SECONDS = 1200
"""For all of them; what one call of the many takes is measured, and said where the test fails."""
CHECK_SECONDS = 5.0
"""For a Check while a thousand Creates wait for their runs: milliseconds, but for whatever else the machine does."""
BURST_SECONDS = 30.0
"""For one that comes right behind a thousand Creates that all begin at once, which no engine asks for."""


@dataclass(frozen=True)
class Size:
    """What a process takes: megabytes that are resident, those of them that are its own share, and threads."""

    resident: float
    share: float
    threads: int

    @classmethod
    def of(cls, plugin: Plugin) -> Size:
        process = psutil.Process(plugin.process.pid)
        memory = process.memory_full_info()
        return cls(memory.rss / 1e6, memory.pss / 1e6, process.num_threads())


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], Plugin]]:
    """Starts a plugin with a program of its own."""
    engine = FakeEngine()
    started: list[Plugin] = []

    def begin(name: str) -> Plugin:
        for folder in (tmp_path / name, tmp_path / f"machine-{name}"):
            folder.mkdir()
        plugin = Plugin(tmp_path / name, tmp_path / f"machine-{name}", engine)
        started.append(plugin)
        plugin.lab.source("pass\n")
        return plugin

    yield begin
    for each in started:
        if each.process.poll() is None:
            each.end(is_killed=True)
    engine.stop()


def checked(service: Service, plugin: Plugin, number: int, **changes: Any) -> dict[str, Any]:
    """The inputs of a job of its own, as Check answers them."""
    given = plugin.lab.inputs(
        compute=service.compute("./.training/lab", **changes),
        environment=OWN,
        environmentVariables={"PRETENDED": "yes"},
        arguments=["--number", str(number)],
    )
    return plugin.lab.checked(given, name=f"fit-{number}")


def begin(plugin: Plugin, number: int, inputs: dict[str, Any]) -> Any:
    """The future of a Create."""
    request = provider_pb2.CreateRequest(urn=urn(f"fit-{number}"), properties=wire.encode(inputs))
    return plugin.client.stub.Create.future(request, timeout=SECONDS)


def seconds_of(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def test_a_thousand_creates_in_one_plugin(service: Service, start: Callable[[str], Plugin]) -> None:
    service.rule(only_pretends=True, slots=10**6)
    idle, plugin = start("idle"), start("program")
    for each in (idle, plugin):
        checked(service, each, COUNT)  # handlers are loaded, and what a first Check loads
    floor = Size.of(idle)
    inputs = [checked(service, plugin, number) for number in range(COUNT)]
    began = time.monotonic()
    answers = [begin(plugin, number, each) for number, each in enumerate(inputs)]
    in_burst = seconds_of(lambda: checked(service, plugin, COUNT + 1))
    until(lambda: _are_running(service) or any(a.done() for a in answers), "all attempts", SECONDS)
    until_all_run = time.monotonic() - began
    assert not any(answer.done() for answer in answers), "each waits for its run"

    asked, before, checks = len(service.observations()), time.monotonic(), []
    while len(service.observations()) < asked + 6:
        checks.append(seconds_of(lambda: checked(service, plugin, COUNT + 1)))
        time.sleep(1)
    questions = service.observations()[asked + 1 :]
    seconds_of_a_tick = (time.monotonic() - before) / len(questions)
    size = Size.of(plugin)

    began = time.monotonic()
    assert service.ask("finish_pretended")["ended"] == COUNT
    found = [_answer(answer) for answer in answers]
    figures = {
        "resident": (floor.resident, size.resident, Size.of(plugin).resident),
        "share": (floor.share, size.share, Size.of(plugin).share),
        "threads": (floor.threads, size.threads, Size.of(plugin).threads),
        "seconds until all run": until_all_run,
        "seconds until all are answered": time.monotonic() - began,
        "seconds of a tick": seconds_of_a_tick,
        "asked for": questions,
        "seconds of a Check behind the burst": in_burst,
        "seconds of a Check meanwhile": (min(checks), max(checks)),
    }
    print(figures)
    assert {each["status"] for _, each in found} == {"Completed"}
    assert len({run_id for run_id, _ in found}) == COUNT == len(plugin.lab.runs())
    assert size.resident - floor.resident <= MEGABYTES and size.share - floor.share <= MEGABYTES, figures
    assert size.threads <= THREADS, figures
    assert set(questions) == {COUNT}, "one question of a tick is about all of them"
    assert max(checks) <= CHECK_SECONDS and in_burst <= BURST_SECONDS, figures
    closing = seconds_of(plugin.end)
    attempts = [plugin.lab.record(run_id).attempt(1) for run_id, _ in found]
    assert all(each.document().acknowledged for each in attempts), (
        f"the engine has their state; {closing:.1f} s"
    )
    print(f"closed within {closing:.1f} s")
    idle.end()


def _are_running(service: Service) -> bool:
    attempts = service.attempts()
    time.sleep(0.5)  # the service has other questions to answer
    return len(attempts) == COUNT and all(each["state"] == "Running" for each in attempts)


def _answer(answer: Any) -> tuple[str, dict[str, Any]]:
    try:
        made = answer.result()
    except grpc.RpcError as error:
        raise AssertionError(f"{error.code()}: {error.details()}") from error
    return made.id, wire.decode(made.properties)
