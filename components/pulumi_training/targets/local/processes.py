"""The processes of an attempt, found by what their environment says (`agent.marks`) and never by a pid alone."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator

import psutil

from ...agent.marks import ATTEMPT, RUN, STORE, Marks, folder_of, value_of


def find(marks: Marks) -> list[psutil.Process]:
    """Every live process of the attempt, except this one."""
    return [process for process, words in _all() if marks.fit(process.pid, words)]


def find_all() -> dict[tuple[str, int, str, str], list[psutil.Process]]:
    """Every live process of any run, by run id, attempt, its store's identity, and the attempt's folder.

    Where identity or folder cannot be told they are empty.
    """
    found: dict[tuple[str, int, str, str], list[psutil.Process]] = {}
    for process, words in _all():
        run_id, attempt = value_of(RUN, words), int(value_of(ATTEMPT, words))
        folder = folder_of(run_id, attempt, process.pid, words)
        found.setdefault((run_id, attempt, value_of(STORE, words), folder), []).append(process)
    return found


def is_of_this_machine(process: psutil.Process) -> bool:
    """Whether a process is none of a container's, whose target answers for it."""
    try:
        return os.readlink(f"/proc/{process.pid}/ns/pid") == os.readlink("/proc/self/ns/pid")
    except OSError:
        return True


def stop(marks: Marks, grace: float) -> None:
    """SIGTERM to all of them, SIGKILL to those left after `grace` seconds; returns when none is left.

    Raises:
        TimeoutError: something survives SIGKILL for ten seconds (a process stuck in the kernel).
    """
    for process in find(marks):
        _send(process, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while find(marks):
        if time.monotonic() >= deadline:
            break
        time.sleep(0.05)
    last = time.monotonic() + 10
    while left := find(marks):
        for process in left:
            _send(process, signal.SIGKILL)
        if time.monotonic() > last:
            from ...spec.text import count

            raise TimeoutError(
                f"{count(len(left), 'process', 'processes')} of {marks.run_id} survived SIGKILL: {[p.pid for p in left]}"
            )
        time.sleep(0.02)


def _all() -> Iterator[tuple[psutil.Process, list[bytes]]]:
    """This user's processes of runs, with the `NAME=value` words of their environments."""
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
        if environment.get(RUN) and environment.get(ATTEMPT, "").isdigit():
            yield process, [os.fsencode(f"{name}={value}") for name, value in environment.items()]


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
