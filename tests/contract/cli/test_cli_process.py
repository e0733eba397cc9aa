"""The console script as a process: speed, pipes, interrupts, terminals."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time

from shelf import Shelf, log

PROGRAM = [sys.executable, "-m", "pulumi_training.cli.main"]


def test_listing_loads_neither_the_sdk_nor_the_models(shelf: Shelf) -> None:
    shelf.finished("fit-0000000000")
    script = (
        "import sys\nfrom pulumi_training.client.runs import list_runs\nimport pulumi_training.cli.main\n"
        "assert len(list_runs().lines) == 1\n"
        "print([m for m in ('pulumi', 'pydantic', 'fsspec', 'rich', 'grpc') if m in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_help_loads_no_verb(shelf: Shelf) -> None:
    script = (
        "import sys\nfrom pulumi_training.cli.main import main\nsys.argv = ['pulumi-training', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = ('pulumi', 'pydantic', 'rich', 'psutil', 'pulumi_training.record', 'pulumi_training.client')\n"
        "print([m for m in heavy if m in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert answer.stdout.splitlines()[-1] == "[]"


def test_a_reader_that_goes_away_is_no_error(shelf: Shelf) -> None:
    attempt = shelf.finished("fit-0000000000")
    log(attempt, 0, b"a line\n" * 200_000)
    with subprocess.Popen(
        [*PROGRAM, "logs", "fit"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout and process.stderr
        assert process.stdout.readline() == b"a line\n"
        process.stdout.close()
        assert process.wait(timeout=20) == 141
        assert process.stderr.read() == b""


def test_an_interrupt_ends_following_quietly(shelf: Shelf) -> None:
    attempt = shelf.live("fit-0000000000")
    log(attempt, 0, b"begun\n")
    with subprocess.Popen(
        [*PROGRAM, "logs", "fit", "-f"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # A shell that runs the tests in its background, or `nohup`, has it ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stdout and process.stderr
        assert process.stdout.readline() == b"begun\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 130
        assert process.stderr.read() == b""


def test_log_text_does_not_steer_a_terminal(shelf: Shelf) -> None:
    attempt = shelf.finished("fit-0000000000")
    log(attempt, 0, b"\x1b]0;evil\x07\x1b[2Jhello\n")
    assert on_terminal("logs", "fit").strip() == b"hello"


def test_a_terminal_gets_colours_unless_told_not_to(shelf: Shelf) -> None:
    shelf.finished("fit-0000000000")
    assert b"\x1b[32mCompleted" in on_terminal("runs", "list")
    assert b"\x1b[32m" not in on_terminal("runs", "list", NO_COLOR="1")


def test_a_narrow_terminal_loses_columns_and_not_the_run(shelf: Shelf) -> None:
    shelf.finished("fit-0000000000")
    narrow = on_terminal("runs", "list", COLUMNS="50", NO_COLOR="1")
    assert b"fit-0000000000" in narrow and b"Completed" in narrow
    assert b"WORKSPACE" not in narrow


def on_terminal(*words: str, **environment: str) -> bytes:
    mine, theirs = pty.openpty()
    mine_own = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    variables = {**mine_own, "TERM": "xterm", "COLUMNS": "120", **environment}
    process = subprocess.Popen(
        [*PROGRAM, *words], stdout=theirs, stdin=theirs, stderr=subprocess.DEVNULL, env=variables
    )
    os.close(theirs)
    found, deadline = b"", time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            data = os.read(mine, 65536)
        except OSError:  # Linux says EIO when the other end is closed
            break
        if not data:
            break
        found += data
    os.close(mine)
    assert process.wait(timeout=5) == 0
    return found
