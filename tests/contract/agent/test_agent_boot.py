"""A machine's first program: what it is sent is there and runs, or nothing of it runs."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pulumi_training.agent.boot import CUT_SHORT, HEAD, READY, USED_BEFORE
from pulumi_training.agent.node import LAUNCHED, NO_ORDER
from pulumi_training.spec.errors import PermanentError
from pulumi_training.targets.containers.node_start import PROGRAM
from pulumi_training.targets.containers.tar_upload import Upload, send_files

SAY = b"import sys\nprint(sys.argv, __name__, repr(sys.stdin.read()))\n"


def booted(data: bytes, program: Path) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-I", "-S", "-c", PROGRAM, str(program), "one", "two"]
    return subprocess.run(command, input=data, capture_output=True, check=False, timeout=60)


def sent(place: Path, source: Path | None = None) -> bytes:
    pieces: list[bytes] = []

    def fill(into: Upload) -> None:
        into.file(f"{place}/say.py", SAY)
        into.file(f"{place}/secret", b"s", 0o600)
        into.link(f"{place}/away", "../elsewhere")
        into.folder(f"{place}/empty")
        if source is not None:
            into.copy(source, f"{place}/code")

    send_files(pieces.append, fill, str(place))
    return b"".join(pieces)


def test_everything_comes_as_it_was_and_the_rest_is_the_program_s(tmp_path: Path) -> None:
    source, place = tmp_path / "source", tmp_path / "place"
    (source / "deep").mkdir(parents=True)
    large = os.urandom(3_000_000)
    (source / "deep" / "large").write_bytes(large)
    (source / "name with\nlines é").write_text("x")
    (source / "run.sh").write_text("#!/bin/sh")
    (source / "run.sh").chmod(0o755)
    os.utime(source / "run.sh", (1_700_000_000.5, 1_700_000_000.5))
    (source / "outputs").symlink_to("../outputs")
    done = booted(sent(place, source) + b"an order", place / "say.py")
    said = f"{[str(place / 'say.py'), 'one', 'two']} __main__ 'an order'\n".encode()
    assert (done.returncode, done.stdout) == (0, READY + said), done.stderr
    code = place / "code"
    assert (code / "deep" / "large").read_bytes() == large
    assert (code / "name with\nlines é").read_text() == "x"
    assert code.joinpath("run.sh").stat().st_mode & 0o777 == 0o755
    assert code.joinpath("run.sh").stat().st_mtime == 1_700_000_000.5
    assert os.readlink(code / "outputs") == "../outputs" and os.readlink(place / "away") == "../elsewhere"
    assert (place / "secret").stat().st_mode & 0o777 == 0o600
    assert list((place / "empty").iterdir()) == []


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_what_is_cut_short_runs_nothing(tmp_path: Path, share: float) -> None:
    data = sent(tmp_path / "place")
    done = booted(data[: int(len(data) * share)], tmp_path / "place" / "say.py")
    assert (done.returncode, done.stdout) == (CUT_SHORT, b"")


def test_a_place_that_was_used_before_is_refused(tmp_path: Path) -> None:
    (tmp_path / "place").mkdir()
    done = booted(sent(tmp_path / "place"), tmp_path / "place" / "say.py")
    assert (done.returncode, done.stdout) == (USED_BEFORE, b"")
    assert list((tmp_path / "place").iterdir()) == []


def test_files_that_are_there_already_are_run_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "say.py").write_bytes(SAY)
    pieces: list[bytes] = []
    send_files(pieces.append, None, str(tmp_path))
    assert len(b"".join(pieces)) == HEAD.size
    assert booted(b"".join(pieces), tmp_path / "say.py").stdout.startswith(READY)


def test_a_file_that_shrinks_while_it_is_sent_is_no_file(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x" * 1_000_000)

    def send(_: bytes) -> None:
        os.truncate(source, 10)

    with pytest.raises(PermanentError, match="source became shorter"):
        send_files(send, lambda into: into.copy(source, "/training/x"), "/training")


def node(tmp_path: Path) -> subprocess.Popen[bytes]:
    (tmp_path / "secret").write_text("s" * 64)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = ["--bind", "127.0.0.1", "--port", str(port), "--secret-file", str(tmp_path / "secret")]
    return subprocess.Popen(
        [sys.executable, "-m", "pulumi_training.agent", "node", *words, "--orders", "1"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def test_a_node_launches_what_it_is_ordered(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "launch").mkdir(parents=True)
    script = "import os; print(os.environ['TOKEN'])"
    request = {
        "version": 1, "run_id": "r", "attempt": 1, "node_count": 1, "process_count_per_node": 1, "cwd": str(tmp_path),
        "script": [sys.executable, "-c", script], "folder": str(run), "master_port": 5000,
        "agent": [sys.executable, "-m", "pulumi_training.agent"],
    }  # fmt: skip
    (run / "launch" / "launch.json").write_text(json.dumps(request))
    process = node(tmp_path)
    try:
        order = {"launch": str(run / "launch" / "launch.json"), "environment": {"TOKEN": "for you"}}
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps(order).encode() + b"\n")
        process.stdin.close()
        assert process.stdout.readline() == LAUNCHED
        deadline = time.monotonic() + 30
        while not (run / "launch" / "end.json").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert (run / "logs" / "std" / "rank-0.log").read_bytes() == b"for you\n"
        assert process.poll() is None, "it serves on"
    finally:
        process.terminate()
        assert process.wait(20) == 0


@pytest.mark.parametrize("line", [b"", b"{}\n", b"no order\n"])
def test_a_node_that_nobody_orders_anything_ends(tmp_path: Path, line: bytes) -> None:
    process = node(tmp_path)
    process.communicate(line, timeout=30)
    assert process.returncode == NO_ORDER
