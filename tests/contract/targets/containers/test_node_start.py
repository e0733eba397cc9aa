"""A container's start: its first process takes files and orders, or whoever starts it learns why not."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker.errors
import pytest

from pulumi_training.agent import boot
from pulumi_training.agent.node import LAUNCHED
from pulumi_training.spec.errors import PermanentError, TransientError
from pulumi_training.spec.outcome import Reason
from pulumi_training.targets.containers import node_start
from pulumi_training.targets.containers.node_layout import ROOT_USER
from pulumi_training.targets.containers.node_start import PROGRAM, NodeConnection, UsedBefore
from pulumi_training.targets.containers.tar_upload import Upload
from pulumi_training.targets.docker.transport import DockerTransport

ADDRESS = {"docker_host": "unix:///nobody.sock"}
OBEYS = f"import os, sys\nline = sys.stdin.readline()\nos.write(1, {LAUNCHED!r})\nprint('got', line)\n"


class Engine:
    """An engine with one container, whose first process is one of this machine."""

    def __init__(self, program: Path) -> None:
        self.api = self
        self.program = program
        self.refusal: Exception | None = None
        self.is_deaf = False
        self.code: int | None = None
        self.words = b""
        self.ended = threading.Event()
        self.near, self.far = socket.socketpair()

    def attach_socket(self, container: str, params: dict[str, int]) -> Any:
        return socket.SocketIO(self.near, "rwb")

    def start(self, container: str) -> None:
        if self.refusal is not None:
            self.far.close()
            raise self.refusal
        if not self.is_deaf:
            threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", PROGRAM, str(self.program)],
            stdin=self.far,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdout is not None and process.stderr is not None
        while piece := os.read(process.stdout.fileno(), 4096):
            self.far.sendall(struct.pack(">BxxxL", 1, len(piece)) + piece)
            self.words += piece
        self.words += process.stderr.read()
        self.code = process.wait()
        self.far.close()
        self.ended.set()

    def wait(self, container: str, timeout: float) -> dict[str, int | None]:
        self.ended.wait(timeout)
        return {"StatusCode": self.code}

    def logs(self, container: str, tail: int) -> bytes:
        return self.words


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(node_start, "FOLDER", str(tmp_path / "run"))
    return tmp_path / "run"


@pytest.fixture
def engine(place: Path) -> Iterator[Engine]:
    made = Engine(place / "obeys.py")
    yield made
    made.near.close()
    made.far.close()


def started(engine: Engine, fill: Any, order: bytes = b"") -> NodeConnection:
    line = NodeConnection(DockerTransport(engine, ADDRESS), "c", "fit-a1-0")
    line.start(fill, ROOT_USER, order)
    return line


def filling(place: Path, program: str = OBEYS, size: int = 0) -> Any:
    def fill(into: Upload) -> None:
        into.file(f"{place}/obeys.py", program.encode())
        into.file(f"{place}/large", b"x" * size)

    return fill


@pytest.mark.parametrize("is_at_once", [True, False])
def test_files_come_and_the_order_is_carried_out(engine: Engine, place: Path, is_at_once: bool) -> None:
    order = b"an order\n"
    line = started(engine, filling(place, size=5_000_000), order if is_at_once else b"")
    if not is_at_once:
        line.order(order)
    assert engine.ended.wait(20) and engine.code == 0
    assert b"got an order" in engine.words and (place / "large").stat().st_size == 5_000_000
    line.close()


def test_a_volume_that_was_used_before_is_told_apart(engine: Engine, place: Path) -> None:
    place.mkdir()
    with pytest.raises(UsedBefore):
        started(engine, filling(place))


def test_what_ends_before_it_is_used_is_told_with_its_words(engine: Engine, place: Path) -> None:
    with pytest.raises(PermanentError, match="fit-a1-0 ended with exit code 1 before") as told:
        started(engine, filling(place, "raise OSError('no room')"), b"an order\n")
    assert told.value.reason is Reason.NODE_LOST and "no room" in told.value.log_tail


def test_a_container_that_does_not_start_keeps_nobody(engine: Engine, place: Path) -> None:
    engine.refusal = docker.errors.APIError("no such device")
    with pytest.raises(PermanentError, match="no such device"):
        started(engine, filling(place, size=50_000_000))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("node-start")]


def test_a_file_that_cannot_be_read_starts_nothing(engine: Engine, place: Path) -> None:
    line = NodeConnection(DockerTransport(engine, ADDRESS), "c", "fit-a1-0")
    with pytest.raises(PermanentError, match="gone cannot be read: No such file") as told:
        line.start(lambda into: into.copy(place / "gone", f"{place}/x"), ROOT_USER, b"an order\n")
    assert told.value.reason is Reason.DATA_UNAVAILABLE
    line.close()
    assert engine.ended.wait(20) and engine.code == boot.CUT_SHORT


def test_one_that_takes_nothing_is_not_waited_for_for_ever(
    engine: Engine, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_start, "_SECONDS", 0.2)
    engine.is_deaf = True
    with pytest.raises(TransientError, match="fit-a1-0"):
        started(engine, filling(place, size=50_000_000))
    with pytest.raises(TransientError, match="fit-a1-0"):
        started(engine, filling(place))
