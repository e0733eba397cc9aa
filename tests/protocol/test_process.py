import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2
from wiring import HERE, FakeEngine, details

from pulumi_training.provider import wire
from pulumi_training.provider.arguments import Arguments, parse
from pulumi_training.version import __version__

Start = Callable[..., Any]


@pytest.mark.parametrize(
    ("argv", "address"),
    [
        ([], None),
        (["127.0.0.1:5"], "127.0.0.1:5"),
        (["--logtostderr", "-v=9", "--tracing", "file:/tmp/x", "127.0.0.1:5"], "127.0.0.1:5"),
        (["--tracing=file:x", "-v", "9", "--logflow", "127.0.0.1:5"], "127.0.0.1:5"),
        (["--logtostderr"], None),
    ],
)
def test_arguments_are_read_as_the_engine_writes_them(argv: list[str], address: str | None) -> None:
    assert parse(argv) == Arguments(address)


def test_version_is_printed_without_starting() -> None:
    code = "from pulumi_training.provider.main import main; main(['--version'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (0, f"{__version__}\n")


def test_the_plugin_folder_runs_as_a_program() -> None:
    folder = HERE.parents[1] / "components"
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, str(folder), "--version"],
        capture_output=True,
        text=True,
        timeout=30,
        env=environment,
    )
    assert done.stdout == f"{__version__}\n"


def test_the_port_is_all_that_stdout_ever_says(
    start_plugin: Start, engine: FakeEngine, tmp_path: Path
) -> None:
    plugin = start_plugin("--logtostderr", "-v=9", "--tracing", "x", engine.address)
    assert plugin.client.create({"do": "print", "lines": ["seen"]}).id == "toy-1"
    assert engine.lines() == ["seen"]
    plugin.process.terminate()
    assert plugin.process.wait(10) == 0
    assert plugin.process.stdout.read() == b""
    stderr = (tmp_path / "stderr").read_text()
    assert "printed by a handler" in stderr and "printed by a child" in stderr


def test_it_serves_without_an_engine(start_plugin: Start) -> None:
    assert start_plugin().client.create({"lines": ["to nobody"]}).id == "toy-1"


def test_it_ends_when_the_engine_is_gone_and_detaches_from_its_calls(
    start_plugin: Start, engine: FakeEngine
) -> None:
    plugin = start_plugin(engine.address)
    create = plugin.begin({"do": "wait for cancel"})
    engine.stop()
    failed = details(create.exception(timeout=20), provider_pb2.ErrorResourceInitFailed())
    assert wire.decode(failed.properties) == {"detached": True}
    assert plugin.process.wait(10) == 0


def test_it_ends_when_the_engine_is_gone_even_if_a_call_hangs(
    start_plugin: Start, engine: FakeEngine
) -> None:
    plugin = start_plugin(engine.address)
    create = plugin.begin({"do": "block", "seconds": 600})
    engine.stop()
    assert plugin.process.wait(30) == 0
    assert isinstance(create.exception(timeout=5), grpc.RpcError)


def test_sigterm_ends_it_within_the_grace(start_plugin: Start, engine: FakeEngine) -> None:
    plugin = start_plugin(engine.address)
    create = plugin.begin({"do": "wait for cancel"})
    began = time.monotonic()
    plugin.process.terminate()
    assert plugin.process.wait(10) == 0
    assert time.monotonic() - began < 4
    assert isinstance(create.exception(timeout=5), grpc.RpcError)


def test_a_call_that_arrives_while_it_ends_is_told_so(start_plugin: Start, engine: FakeEngine) -> None:
    plugin = start_plugin(engine.address)
    running = plugin.begin({"do": "block", "seconds": 3})
    plugin.process.terminate()
    time.sleep(0.5)
    late = plugin.client.create_later({"do": "wait for cancel"})
    failed = details(late.exception(timeout=10), provider_pb2.ErrorResourceInitFailed())
    assert wire.decode(failed.properties) == {"detached": True}
    assert running.result(timeout=10).id == "toy-1"
    assert plugin.process.wait(3) == 0


def test_an_interrupt_waits_for_the_calls_that_cancel_ends(start_plugin: Start, engine: FakeEngine) -> None:
    plugin = start_plugin(engine.address)
    create = plugin.begin({"do": "wait for cancel"})
    plugin.process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert plugin.process.poll() is None and not create.done()
    plugin.client.cancel()
    failed = details(create.exception(timeout=10), provider_pb2.ErrorResourceInitFailed())
    assert wire.decode(failed.properties) == {"detached": False}
    assert plugin.process.wait(10) == 0


def test_an_interrupt_after_the_closing_cancel_ends_it_at_once(
    start_plugin: Start, engine: FakeEngine, tmp_path: Path
) -> None:
    plugin = start_plugin(engine.address, TOY_CLOSING=str(tmp_path / "closing"))
    plugin.client.create({})
    plugin.client.cancel()
    assert (tmp_path / "closing").read_text() == "closed"
    assert plugin.process.poll() is None
    began = time.monotonic()
    plugin.process.send_signal(signal.SIGINT)
    assert plugin.process.wait(10) == 0
    assert time.monotonic() - began < 2


def test_a_thread_that_never_returns_does_not_keep_the_process(start_plugin: Start) -> None:
    plugin = start_plugin()
    plugin.begin({"do": "block", "seconds": 600})
    plugin.process.terminate()
    assert plugin.process.wait(15) == 0
