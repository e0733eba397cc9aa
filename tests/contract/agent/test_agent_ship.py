"""`agent launch` that starts once, and `agent ship` that sends what is written while it is written."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

AGENT = [sys.executable, "-m", "pulumi_training.agent"]


@contextmanager
def shipping(
    folder: Path, have: dict[str, int] | None = None, parts: str = "launch,logs,ranks", *more: str
) -> Iterator[subprocess.Popen[bytes]]:
    words = ["ship", "--folder", str(folder), "--parts", parts, *more]
    process = subprocess.Popen([*AGENT, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        order(process, {"have": have or {}})
        yield process
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(10) == 0, "it ends with its input"
    finally:
        process.kill()
        process.wait()


def order(process: subprocess.Popen[bytes], line: dict[str, Any]) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps(line).encode() + b"\n")
    process.stdin.flush()


def flushed(process: subprocess.Popen[bytes], number: int) -> list[tuple[dict[str, Any], bytes]]:
    """Everything that comes until the answer to a flush."""
    order(process, {"flush": number})
    found = []
    stream: IO[bytes] | None = process.stdout
    assert stream is not None
    while True:
        head = json.loads(stream.read(struct.unpack(">I", stream.read(4))[0]))
        if head.get("flushed") == number:
            return found
        found.append((head, stream.read(head.get("n", 0))))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("launch", "logs/std", "ranks"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


def test_growing_files_come_in_pieces_and_facts_come_whole(folder: Path) -> None:
    log, facts = folder / "logs/std/rank-0.log", folder / "ranks/0.json"
    log.write_bytes(b"one\n")
    facts.write_text('{"state": "running"}')
    with shipping(folder) as process:
        first = flushed(process, 1)
        assert ({"file": "logs/std/rank-0.log", "at": 0, "n": 4}, b"one\n") in first
        assert ({"file": "ranks/0.json", "whole": True, "n": 20}, b'{"state": "running"}') in first
        assert ({"run": "none"}, b"") in first
        with log.open("ab") as stream:
            stream.write(b"two\n")
        assert flushed(process, 2) == [({"file": "logs/std/rank-0.log", "at": 4, "n": 4}, b"two\n")]
        log.write_bytes(b"new")
        assert flushed(process, 3) == [({"file": "logs/std/rank-0.log", "at": 0, "n": 3}, b"new")]


def test_it_goes_on_where_the_other_side_is(folder: Path) -> None:
    (folder / "logs/std/rank-0.log").write_bytes(b"0123456789")
    with shipping(folder, {"logs/std/rank-0.log": 6}) as process:
        assert ({"file": "logs/std/rank-0.log", "at": 6, "n": 4}, b"6789") in flushed(process, 1)


def test_the_last_word_comes_after_everything_else(folder: Path) -> None:
    (folder / "launch/agent.lock").touch()
    (folder / "launch/end.json").write_text("{}")
    (folder / "launch/launch.json").write_text("{}")
    (folder / "logs/std/rank-0.log").write_bytes(bytes(1_000_000))
    with shipping(folder) as process:
        heads = [head for head, _ in flushed(process, 1)]
    assert sum(head.get("n", 0) for head in heads if head.get("file", "").endswith(".log")) == 1_000_000
    assert heads[-2:] == [{"file": "launch/end.json", "whole": True, "n": 2}, {"run": "ended"}]
    assert not any(head.get("file") == "launch/launch.json" for head in heads)


def test_of_a_node_among_several_only_its_own_event_files_come_as_they_grow(folder: Path) -> None:
    own = f"logs/train/events.out.tfevents.1.{os.uname().nodename}.7.0"
    for name in (own, "logs/events.out.tfevents.1.elsewhere.7.0", "logs/notes.txt", "logs/std/rank-1.log"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"one")
    with shipping(folder, None, "ranks,logs/std", "--events", "logs") as process:
        assert {head["file"] for head, _ in flushed(process, 1) if "file" in head} == {
            own,
            "logs/std/rank-1.log",
        }
        with (folder / own).open("ab") as stream:
            stream.write(b"two")
        assert flushed(process, 2) == [({"file": own, "at": 3, "n": 3}, b"two")]


def test_a_launch_begins_once(folder: Path) -> None:
    script = [sys.executable, "-c", "open('ran', 'a').write('x')"]
    request = {
        "version": 1, "run_id": "r", "attempt": 1, "node_count": 1, "process_count_per_node": 1, "script": script,
        "cwd": str(folder), "folder": str(folder), "agent": AGENT, "launcher": None,
    }  # fmt: skip
    path = folder / "launch" / "launch.json"
    path.write_text(json.dumps(request))
    secret = folder / "secret"
    secret.write_text("s" * 32)
    words = [*AGENT, "launch", "--request", str(path), "--secret-file", str(secret)]
    marks = {"TRAINING_RUN_ID": "r", "TRAINING_ATTEMPT": "1"}
    codes = [subprocess.run(words, env={**os.environ, **marks}, timeout=60).returncode for _ in range(2)]
    assert codes == [0, 3] and (folder / "ran").read_text() == "x"
    with shipping(folder) as process:
        assert ({"run": "ended"}, b"") in flushed(process, 1)


def test_facts_come_however_many_files_a_script_has_in_its_logs(folder: Path) -> None:
    (folder / "logs" / "many").mkdir()
    for number in range(5_200):
        (folder / "logs" / "many" / f"{number}.txt").touch()
    (folder / "ranks" / "0.json").write_text("{}")
    with shipping(folder, None, "launch,ranks,logs") as process:
        heads = [head for head, _ in flushed(process, 1)]
    assert any(head.get("file") == "ranks/0.json" for head in heads)
