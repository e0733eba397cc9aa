"""The door of a listener: who may stand at it, for how long, and who is turned away first."""

from __future__ import annotations

import errno
import os
import resource
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pulumi_training.agent import channel
from pulumi_training.agent.door import GUESTS, LINE_BYTES, Door, guests_at_once
from pulumi_training.agent.run_line import RunLine

SECRET = "a secret of this run, long enough"


@pytest.fixture
def place() -> Iterator[tuple[Any, str]]:
    server = channel.listen("127.0.0.1")
    yield server, f"127.0.0.1:{server.getsockname()[1]}"
    server.close()


def comes(address: str, source: str = "127.0.0.1") -> socket.socket:
    host, _, port = address.partition(":")
    return socket.create_connection((host, int(port)), 5, (source, 0))


def serve(door: Door, seconds: float = 0.2, *, quiet: float = 0.05) -> list[Any]:
    """Whom the door lets in until nothing more comes for `quiet` seconds; who has connected stands there already."""
    found, ready = [], door.wait(seconds)
    while ready:
        found += [admitted for fd in ready if (admitted := door.hear(fd))]
        ready = door.wait(quiet)
    return found


def is_turned_away(sock: socket.socket, *, seconds: float = 0.05) -> bool:
    sock.settimeout(seconds)
    try:
        while sock.recv(4096):
            continue
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return True


def test_who_proves_the_secret_is_let_in_with_what_was_said_behind_it(place: tuple[Any, str]) -> None:
    server, address = place
    door = Door(server, SECRET)
    sock = comes(address)
    serve(door)
    nonce = sock.recv(100).strip()
    sock.sendall(channel.prove(SECRET, nonce, {"t": "hello"}) + b'\n{"t": "beat"}\n')
    ((line, message, behind),) = serve(door)
    assert (message, behind) == ({"t": "hello"}, [b'{"t": "beat"}'])
    assert channel.loads(sock.recv(100).decode()) == channel.ADMITTED
    assert door.is_empty
    line.close()


@pytest.mark.parametrize(
    "said", [b"nothing\n", b"x" * (LINE_BYTES + 1), b"[" * 3000 + b"\n", b"\xff\n", b"{}\n"]
)
def test_who_proves_nothing_is_turned_away(place: tuple[Any, str], said: bytes) -> None:
    server, address = place
    door = Door(server, SECRET)
    sock = comes(address)
    sock.sendall(said)
    assert serve(door) == [] and door.is_empty and is_turned_away(sock)


def test_no_more_stand_there_than_there_is_room_for_and_the_oldest_go_first(place: tuple[Any, str]) -> None:
    server, address = place
    door = Door(server, SECRET)
    crowd = []
    for _ in range(GUESTS + 20):
        crowd.append(comes(address))
        serve(door, 1.0, quiet=0.0)
    assert len(door.descriptors()) == GUESTS + 1
    assert [is_turned_away(each, seconds=0.005) for each in crowd] == [True] * 20 + [False] * GUESTS


def test_a_crowd_from_one_machine_turns_nobody_of_another_away(place: tuple[Any, str]) -> None:
    server, address = place
    door = Door(server, SECRET)
    rank = comes(address, "127.0.0.2")
    for _ in range(GUESTS + 20):
        comes(address)
        serve(door, 1.0, quiet=0.0)
    assert not is_turned_away(rank)


def test_one_byte_now_and_then_proves_nothing_in_time(place: tuple[Any, str]) -> None:
    server, address = place
    door = Door(server, SECRET, seconds=0.3)
    sock = comes(address)
    end = time.monotonic() + 0.6
    while time.monotonic() < end:
        serve(door, 0.05)
        try:
            sock.sendall(b"x")
        except OSError:
            break
    serve(door)
    assert door.is_empty


def test_a_process_without_descriptors_rests_and_listens_again(place: tuple[Any, str]) -> None:
    server, address = place
    door = Door(server, SECRET)
    sock = comes(address)
    old = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = max(int(each.name) for each in Path("/dev/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 1, old[1]))
    taken = []
    try:
        while True:
            try:
                taken.append(os.dup(0))
            except OSError as problem:
                assert problem.errno == errno.EMFILE
                break
        (fd,) = door.wait(1.0)
        assert door.hear(fd) is None
        assert door.descriptors() == [], "poll would answer at once, again and again"
    finally:
        for each in taken:
            os.close(each)
        resource.setrlimit(resource.RLIMIT_NOFILE, old)
    time.sleep(0.6)
    serve(door)
    assert not door.is_empty and sock.recv(100)


def test_more_ranks_have_more_room_as_far_as_descriptors_go() -> None:
    assert guests_at_once(4) == GUESTS
    old = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, old[1]))
    try:
        assert guests_at_once(200) == 400
        assert guests_at_once(500) == 1024 - 500 - 96
        assert guests_at_once(5000) == 8
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, old)


def test_a_rank_that_is_turned_away_comes_again(
    place: tuple[Any, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, address = place
    monkeypatch.setenv(channel.ADDRESS_VARIABLE, address)
    monkeypatch.setenv(channel.SECRET_VARIABLE, SECRET)
    line = RunLine()
    line.seek(30)

    def knock(admits: bool) -> channel.Channel | None:
        """A server that hears the proof, and then lets in or not."""
        sock, _ = channel.accept(server)
        other = channel.Channel(sock)
        nonce = channel.new_nonce()
        other.send_line(nonce)
        assert channel.check_proof(SECRET, nonce, other.read_line())["t"] == "hello"
        if admits:
            other.send(channel.ADMITTED)
            return other
        other.close()
        return None

    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor() as pool:
        for admits in (False, True):
            answer = pool.submit(knock, admits)
            assert line.connect({"t": "hello"})
            held = answer.result(10)
            if not admits:
                assert line.orders() == [] and not line.was_lost() and not line.is_open
    assert line.orders() == [] and line.is_open
    assert held is not None
    held.send({"do": "stop", "grace": 1})
    assert line.orders() == [{"do": "stop", "grace": 1}]
    held.close()
    assert line.orders() == [] and line.was_lost()
