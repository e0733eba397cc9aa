"""The plugin itself, a process on one machine and then on another: what an `up` began, the next one ends."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from unattended.jobs import OWN, gated, until
from unattended.plugin import FakeEngine, Lab, Made, Plugin
from unattended.service import Service

from pulumi_training.record.lock import DriverLock
from pulumi_training.spec.outcome import Status

pytestmark = pytest.mark.timeout(180)

SLEEP = "import time\nprint('ready', flush=True)\ntime.sleep(300)\n"
StartPlugin = Callable[[str], Plugin]


@pytest.fixture
def plugin(tmp_path: Path) -> Iterator[StartPlugin]:
    """Starts a plugin of a machine of that name; the program is the same on all, and so is its store."""
    program = tmp_path / "program"
    program.mkdir()
    engine = FakeEngine()
    started: list[Plugin] = []

    def start(name: str) -> Plugin:
        (tmp_path / name).mkdir(exist_ok=True)
        started.append(Plugin(program, tmp_path / name, engine))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.end(is_killed=True)
    engine.stop()


def inputs(service: Service, lab: Lab, script: str, **fields: Any) -> dict[str, Any]:
    lab.source(script)
    compute = service.compute("./.training/lab")
    return lab.checked(lab.inputs(compute=compute, environment=OWN, gracePeriodSeconds=1, **fields))


def gate(lab: Lab) -> Path:
    return lab.folder / "gate"


def waits(lab: Lab) -> str:
    """A script that runs until its gate is there."""
    return gated(gate(lab), after="print('done', flush=True)\n")


def creating(lab: Lab, given: dict[str, Any]) -> tuple[threading.Thread, list[Made]]:
    """A Create that somebody waits for."""
    answers: list[Made] = []

    def create() -> None:
        with contextlib.suppress(grpc.RpcError):  # a plugin that is killed answers nothing
            answers.append(lab.create(given))

    thread = threading.Thread(target=create, daemon=True)
    thread.start()
    return thread, answers


def until_ready(lab: Lab) -> str:
    until(lambda: lab.runs() and lab.record(lab.runs()[0]).newest(), "the intent")
    attempt = lab.record(lab.runs()[0]).attempt(1)
    until(lambda: "ready" in (attempt.document().progress or ""), "the script")
    return lab.runs()[0]


def test_an_up_shows_a_run_to_its_end(service: Service, plugin: StartPlugin) -> None:
    first = plugin("first")
    thread, answers = creating(first.lab, inputs(service, first.lab, waits(first.lab)))
    until(lambda: "ready" in first.lab.said(), "the row")
    gate(first.lab).touch()
    thread.join(60)
    made = answers[0]
    assert not made.reasons and made.outputs["status"] == "Completed"
    assert first.lab.log(made) == b"ready\ndone\n"
    first.end()


def test_a_canceled_up_detaches_and_that_of_another_machine_attaches(
    service: Service, plugin: StartPlugin
) -> None:
    first = plugin("first")
    given = inputs(service, first.lab, waits(first.lab))
    thread, answers = creating(first.lab, given)
    run_id = until_ready(first.lab)
    first.client.cancel()
    thread.join(30)
    assert "goes on" in answers[0].reasons[0]
    first.end()
    record = first.lab.record(run_id)
    assert DriverLock(record).holder() is None and record.attempt(1).document().is_live
    assert service.processes(run_id, 1)
    second = plugin("second")
    gate(first.lab).touch()
    made = second.lab.update(answers[0], given, given)
    assert not made.reasons and made.outputs["status"] == "Completed" and made.outputs["attempt"] == 1
    assert len(service.attempts()) == 1
    second.end()


def test_a_refresh_on_another_machine_settles_what_ended_after_a_crash(
    service: Service, plugin: StartPlugin
) -> None:
    first = plugin("first")
    given = inputs(service, first.lab, waits(first.lab))
    creating(first.lab, given)
    run_id = until_ready(first.lab)
    first.end(is_killed=True)
    gate(first.lab).touch()
    until(lambda: service.attempts()[0]["state"] == "Ended", "the end at the service")
    second = plugin("second")
    made, _ = second.lab.read(run_id, given, {})
    assert made.outputs["status"] == "Completed" and len(service.attempts()) == 1
    second.end()


def test_a_run_that_nobody_waits_for_is_submitted_before_the_answer(
    service: Service, plugin: StartPlugin
) -> None:
    first = plugin("first")
    given = inputs(service, first.lab, waits(first.lab), wait=False)
    made = first.lab.create(given)
    assert len(service.attempts()) == 1, "the plugin may end now"
    first.end()
    gate(first.lab).touch()
    until(lambda: service.attempts()[0]["state"] == "Ended", "the end at the service")
    second = plugin("second")
    read, _ = second.lab.read(made.id, given, made.outputs)
    assert read.outputs["status"] == "Completed"
    second.end()


def test_a_destroy_on_another_machine_stops_it(service: Service, plugin: StartPlugin) -> None:
    first = plugin("first")
    given = inputs(service, first.lab, SLEEP, wait=False)
    made = first.lab.create(given)
    first.end()
    second = plugin("second")
    second.lab.delete(made, given)
    assert not service.processes(made.id, 1) and not service.attempts()
    assert second.lab.record(made.id).attempt(1).document().status is Status.CANCELED
    second.end()
