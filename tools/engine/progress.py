"""Tells on stderr what is being done and for how long."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from .errors import EngineError

LINE_SECONDS = 10.0
TTY_SECONDS = 0.5
TAIL_CHARACTERS = 2000
tool = "tools/pulumi"
"""Who speaks; another entry point that builds with these modules sets its own name."""


def say(text: str) -> None:
    """Print one line to stderr; stdout belongs to the answer."""
    print(f"{tool}: {text}", file=sys.stderr, flush=True)


def run_with_progress(
    what: str,
    command: list[str],
    *,
    cwd: Path | None = None,
    environment: dict[str, str] | None = None,
    limit_seconds: float | None = None,
) -> None:
    """Run a command that takes long; a terminal's line counts the seconds, a log gets a line every 10 s.

    Raises EngineError with the end of the command's output where it fails or exceeds the limit. The command
    runs in a process group of its own, which ends with this call however it ends.
    """
    started = time.monotonic()
    say(what)
    with tempfile.TemporaryFile() as output:
        try:
            child = subprocess.Popen(
                command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL,
                stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise EngineError(f"{command[0]} does not start: {error}") from error
        try:
            code = _wait(child, what, started, limit_seconds)
        finally:
            _end(child)
        if code == 0:
            say(f"{what}: done in {time.monotonic() - started:.0f} s")
            return
        output.seek(0)
        tail = output.read().decode(errors="replace").strip()[-TAIL_CHARACTERS:]
    reason = f"no end after {limit_seconds:.0f} s" if code is None else f"exit code {code}"
    raise EngineError(f"{what}: {reason}" + (f"\n{tail}" if tail else ""))


def _wait(child: subprocess.Popen[bytes], what: str, started: float, limit: float | None) -> int | None:
    tty = sys.stderr.isatty()
    told = started
    while True:
        try:
            code = child.wait(timeout=TTY_SECONDS)
            break
        except subprocess.TimeoutExpired:
            now = time.monotonic()
        if limit is not None and now - started > limit:
            code = None
            break
        if tty:
            sys.stderr.write(f"\r\x1b[K{tool}: {what}: {now - started:.0f} s")
            sys.stderr.flush()
        elif now - told >= LINE_SECONDS:
            say(f"{what}: {now - started:.0f} s so far")
            told = now
    if tty:
        sys.stderr.write("\r\x1b[K")
    return code


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGTERM)
        try:
            child.wait(timeout=5)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
