"""The processes of a run, found by what their environment says and never by a pid alone."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator

import psutil


def find(run_id: str, attempt: int) -> list[psutil.Process]:
    """Every live process that carries TRAINING_RUN_ID and TRAINING_ATTEMPT of the attempt, except this one."""
    return find_all().get((run_id, attempt), [])


def find_all() -> dict[tuple[str, int], list[psutil.Process]]:
    """Every live process of any run, by run id and attempt."""
    found: dict[tuple[str, int], list[psutil.Process]] = {}
    for process, run_id, attempt in _all():
        found.setdefault((run_id, attempt), []).append(process)
    return found


def stop(run_id: str, attempt: int, grace: float) -> None:
    """SIGTERM to all of them, SIGKILL to those left after `grace` seconds; returns when none is left.

    Raises:
        TimeoutError: something survives SIGKILL for ten seconds (a process stuck in the kernel).
    """
    for process in find(run_id, attempt):
        _send(process, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while find(run_id, attempt):
        if time.monotonic() >= deadline:
            break
        time.sleep(0.05)
    last = time.monotonic() + 10
    while left := find(run_id, attempt):
        for process in left:
            _send(process, signal.SIGKILL)
        if time.monotonic() > last:
            raise TimeoutError(f"{len(left)} processes of {run_id} survive SIGKILL: {[p.pid for p in left]}")
        time.sleep(0.02)


def _all() -> Iterator[tuple[psutil.Process, str, int]]:
    own = os.getpid()
    for pid in _candidates():
        try:
            process = psutil.Process(pid)
            if pid == own or process.uids().real != os.getuid():
                continue
            environment = process.environ()
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
        except (psutil.Error, OSError):
            continue
        run_id = environment.get("TRAINING_RUN_ID")
        attempt = environment.get("TRAINING_ATTEMPT", "")
        if run_id and attempt.isdigit():
            yield process, run_id, int(attempt)


def _candidates() -> Iterator[int]:
    """The pids worth a closer look: on Linux one read of each process tells, a tenth of the cost."""
    for pid in psutil.pids():
        if sys.platform.startswith("linux"):
            try:
                with open(f"/proc/{pid}/environ", "rb") as stream:  # noqa: PTH123 - a Path costs more than the read
                    if b"TRAINING_RUN_ID=" not in stream.read():
                        continue
            except OSError:
                continue
        yield pid


def _send(process: psutil.Process, number: int) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return


def folder_of(run_id: str, attempt: int) -> str | None:
    """The attempt's folder, from the environment of one of its live processes."""
    for process in find(run_id, attempt):
        try:
            output = process.environ().get("TRAINING_OUTPUT_DIR")
        except (psutil.Error, OSError):
            continue
        if output:
            return os.path.dirname(output)
    return None
