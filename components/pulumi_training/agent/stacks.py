"""Asking a stalled script for its Python stacks.

A Python script that was started with the `shim` folder on its path has SIGUSR2 registered with `faulthandler`
(it answers from C, also inside an MPI call) and writes to its stderr, the rank's log. Only processes that
catch SIGUSR2 are asked: it would end the others. A program without Python leaves no stacks.
"""

from __future__ import annotations

import os
import select
import sys
import time

from .facts import open_log, open_plain
from .sweep import process_environment, process_ids

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .pump import Pump

SIGUSR2 = 12 if sys.platform.startswith("linux") else 31
WAIT_SECONDS = 2.0


def save_stacks(
    script_pid: int, marks: dict[str, str], log: str, destination: str, pump: Pump | None = None
) -> bool:
    """Asks the rank's Python processes and copies what they say to `destination`; whether anything came.

    `marks` are the environment variables that tell this rank's processes from all others; `pump`, if there is
    one, brings the script's output to the log and is kept going. Takes at most two seconds. The stacks stand in the log as well.
    """
    before = _size(log)
    asked = [pid for pid in _candidates(script_pid, marks) if _ask(pid)]
    if not asked:
        return False
    deadline = time.monotonic() + WAIT_SECONDS
    size, quiet = before, 0
    while time.monotonic() < deadline and (size == before or quiet < 3):
        if pump is not None and pump.is_open and select.select([pump], [], [], 0.05)[0]:
            pump.move()
        else:
            time.sleep(0.05)
        now = _size(log)
        size, quiet = now, quiet + 1 if now == size else 0
    if size == before:
        return False
    try:
        os.makedirs(os.path.dirname(destination), exist_ok=True)
        with os.fdopen(open_plain(log), "rb") as source, os.fdopen(open_log(destination), "ab") as sink:
            source.seek(before)
            sink.write(source.read(min(size - before, 1 << 20)))
    except OSError:
        return False  # a script put something else in the place of one of them
    return True


def _candidates(script_pid: int, marks: dict[str, str]) -> list[int]:
    if not sys.platform.startswith("linux"):
        return [script_pid]
    wanted = {f"{name}={value}".encode("utf-8", "surrogateescape") for name, value in marks.items()}
    return [
        pid
        for pid in process_ids()
        if pid != os.getpid() and _catches(pid) and wanted <= set(process_environment(pid))
    ]


def _ask(pid: int) -> bool:
    try:
        os.kill(pid, SIGUSR2)
    except OSError:
        return False
    return True


def _catches(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/status", "rb") as stream:  # noqa: PTH123
            for line in stream:
                if line.startswith(b"SigCgt:"):
                    return bool(int(line.split()[1], 16) >> (SIGUSR2 - 1) & 1)
    except OSError:
        return False
    return False


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return -1
