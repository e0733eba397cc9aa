"""An engine, a resource monitor and the plugin, all over real gRPC, without the pulumi command line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import toy
from wiring import HERE, Client, FakeEngine, FakeMonitor, Plugin, Process, running


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    fake = FakeEngine()
    yield fake
    fake.stop()


@pytest.fixture
def monitor() -> Iterator[FakeMonitor]:
    fake = FakeMonitor()
    yield fake
    fake.stop()


@pytest.fixture(autouse=True)
def log_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.fixture
def plugin(engine: FakeEngine) -> Iterator[Plugin]:
    made = toy.Toy()
    with running(lambda: {toy.TOKEN: made}, engine.address) as (servicer, port):
        client = Client(port)
        yield Plugin(client, made, servicer)
        client.channel.close()


@pytest.fixture
def start_plugin(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    started: list[Process] = []

    def start(*arguments: str, **environment: str) -> Process:
        at_work = tmp_path / f"at-work-{len(started)}"
        process = subprocess.Popen(
            [sys.executable, str(HERE / "toy_plugin.py"), *arguments],
            stdout=subprocess.PIPE,
            stderr=(tmp_path / "stderr").open("wb"),
            # The folders of logs are set by `log_folder`.
            env={**os.environ, "TOY_STARTED": str(at_work), **environment},
            cwd=tmp_path,
        )
        assert process.stdout
        port = int(process.stdout.readline())
        made = Process(process, port, Client(port), at_work)
        started.append(made)
        return made

    yield start
    for made in started:
        made.client.channel.close()
        if made.process.poll() is None:
            made.process.kill()
        made.process.wait()
        made.process.stdout.close()


@pytest.fixture
def lab(
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    engine: FakeEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Any]:
    """The package's own handlers on a program's folder of its own; see `job_plugin.Jobs`."""
    from job_plugin import jobs

    folder = tmp_path / "program"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("TRAINING_STATE_DIR", str(tmp_path / "training-state"))
    monkeypatch.setenv("TRAINING_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "training-cache"))
    with jobs(folder, engine) as made:
        made.source("print('hello')\n")
        yield made
