"""A node's stream: what it brings, and that nothing of it lives on once it is closed."""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import threading
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from services import missing

from pulumi_training.targets.containers.log_shipping import LogShipping
from pulumi_training.targets.containers.mark import MarkFile
from pulumi_training.targets.docker.transport import DockerTransport


class Node:
    """The far end of a node's `agent ship`, with the engine's own frames around what it sends."""

    def __init__(self) -> None:
        self.near, self.far = socket.socketpair()
        self.api = SimpleNamespace(
            exec_create=lambda *_, **__: {"Id": "1"},
            exec_start=lambda *_, **__: socket.SocketIO(self.near, "rb"),
        )

    def send(self, head: dict[str, Any], content: bytes = b"", *, cut_at: int = 7) -> None:
        words = json.dumps(head).encode()
        data = struct.pack(">I", len(words)) + words + content
        for piece in (data[:cut_at], data[cut_at:]):
            self.far.sendall(struct.pack(">BxxxI", 1, len(piece)) + piece)


def shipment(tmp_path: Path, node: Node) -> LogShipping:
    transport = DockerTransport(node, {"docker_host": "unix:///nobody.sock"})
    return LogShipping(transport, "c", ["agent"], tmp_path, 0, MarkFile("docker"))


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "ship-0"]


def until(what: Any) -> None:
    deadline = time.monotonic() + 10
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_pieces_are_put_where_they_belong(tmp_path: Path) -> None:
    node = Node()
    ship = shipment(tmp_path, node)
    node.send({"file": "logs/std/rank-0.log", "at": 0, "n": 3}, b"one")
    node.send({"file": "logs/std/rank-0.log", "at": 3, "n": 3}, b"two")
    node.send({"file": "ranks/0.json", "whole": True, "n": 20}, b'{"state": "running"}')
    node.send({"run": "alive"})
    ship.wait(10)
    assert ship.state == "alive"
    assert (tmp_path / "logs/std/rank-0.log").read_bytes() == b"onetwo"
    assert (tmp_path / "ranks/0.json").exists()
    ship.close()


def test_a_file_outside_of_the_attempt_ends_the_stream(tmp_path: Path) -> None:
    node = Node()
    ship = shipment(tmp_path / "attempt", node)
    node.send({"file": "../stolen", "at": 0, "n": 1}, b"x")
    until(lambda: ship.is_over)
    assert not (tmp_path / "stolen").exists() and "outside" in ship.trouble
    ship.close()


def test_nothing_reads_on_once_it_is_closed(tmp_path: Path) -> None:
    # A thread that outlives its descriptor reads from whatever gets that number next, such as the pipe that
    # carries an order to another run.
    node = Node()
    number = node.near.fileno()
    ship = shipment(tmp_path, node)
    until(lambda: node.far.recv(1000))
    ship.close()
    assert threads() == [], "the reader has ended before its number can be given to anybody else"
    assert node.near.fileno() == -1
    read_end, write_end = os.pipe()
    try:
        assert number in (read_end, write_end)
        os.write(write_end, b"an order")
        node.far.close()
        time.sleep(0.2)
        assert os.read(read_end, 100) == b"an order"
    finally:
        os.close(read_end)
        os.close(write_end)


def test_a_path_that_is_a_file_and_a_folder_does_not_end_the_stream(tmp_path: Path) -> None:
    """What nodes have under one name is sorted out at the end; until then what came first stays."""
    outside = tmp_path / "outside"
    outside.mkdir()
    folder = tmp_path / "attempt"
    (folder / "logs").mkdir(parents=True)
    (folder / "logs" / "away").symlink_to(outside)
    (folder / "logs" / "flat").symlink_to(outside / "made")
    node = Node()
    ship = shipment(folder, node)
    node.send({"file": "logs/tb", "at": 0, "n": 4}, b"file")
    for name in ("logs/tb/deep/events", "logs/away/file", "logs/flat"):
        node.send({"file": name, "at": 0, "n": 1}, b"x")
    node.send({"file": "logs/dir/file", "at": 0, "n": 1}, b"x")
    node.send({"file": "logs/dir", "at": 0, "n": 1}, b"x")
    node.send({"run": "ended"})
    ship.wait(10)
    assert ship.state == "ended" and not ship.is_over and not ship.trouble
    assert (folder / "logs" / "tb").read_bytes() == b"file"
    assert (folder / "logs" / "dir" / "file").read_bytes() == b"x"
    assert list(outside.iterdir()) == []
    ship.close()


def test_a_node_writes_only_what_it_was_asked_for(tmp_path: Path) -> None:
    for name in (
        "launch/docker.json",
        "launch/nodes.json",
        "attempt.json",
        "outputs/model",
        "launch/left-0.json",
    ):
        node = Node()
        ship = shipment(tmp_path, node)
        node.send({"file": name, "whole": True, "n": 2}, b"{}")
        until(partial(getattr, ship, "is_over"))
        assert not (tmp_path / name).exists() and ship.refused is None
        ship.close()


def test_a_name_that_cannot_be_had_here_does_not_end_the_stream(tmp_path: Path) -> None:
    node = Node()
    ship = shipment(tmp_path, node)
    node.send({"file": "logs/" + "e" * 300, "at": 0, "n": 1}, b"x")
    node.send({"run": "ended"})
    ship.wait(10)
    assert ship.state == "ended" and ship.refused is None and not ship.is_over
    ship.close()


def test_a_full_disk_of_this_machine_ends_the_stream_and_is_told_as_such(tmp_path: Path) -> None:
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", tmp_path], capture_output=True)
    if done.returncode != 0:
        missing("mount", f"no file system can be mounted here: {done.stderr.decode()}")
    try:
        node = Node()
        ship = shipment(tmp_path, node)
        node.send({"file": "logs/own.log", "at": 0, "n": 100_000}, bytes(range(250)) * 400)
        until(lambda: ship.is_over)
        assert ship.refused is not None and str(tmp_path) in ship.refused.message
        assert "free some space" in ship.refused.message
        ship.close()
    finally:
        subprocess.run(["umount", "--lazy", tmp_path], check=True)
