"""Watching the processes of a run: memory while it lasts, and whether any are left."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import psutil

from pulumi_training.targets.local import processes

MEGABYTE = 1e6


class MemoryWatch:
    """Samples the resident memory of processes; `find` names them anew at every look.

    `samples` has one number in MB per look at which there was any: the sum over all of them.
    """

    def __init__(self, find: Callable[[], Iterable[int]], *, every: float = 0.1) -> None:
        self.samples: list[float] = []
        self._find = find
        self._every = every
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> MemoryWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join(10)

    def _watch(self) -> None:
        while not self._done.wait(self._every):
            sizes = [size for pid in self._find() if (size := resident(pid))]
            if sizes:
                self.samples.append(sum(sizes))


def resident(pid: int) -> float:
    """Resident memory in MB; 0 where the process is gone."""
    try:
        return float(psutil.Process(pid).memory_info().rss) / MEGABYTE
    except psutil.Error:
        return 0.0


def supervisor_pid(store: Path, run_id: str) -> int | None:
    """The supervisor of a run's newest attempt, by its record; None before it said so."""
    for document in reversed(_attempts(store, run_id)):
        supervisor = document.get("supervisor")
        return int(supervisor["pid"]) if supervisor else None
    return None


def is_running(store: Path, run_id: str) -> bool:
    """Whether anything of the run lives: ranks, launcher, agent or supervisor."""
    if any(key[0] == run_id for key in processes.find_all()):
        return True
    pid = supervisor_pid(store, run_id)
    return pid is not None and _is_live(pid)


def wait_until(is_so: Callable[[], Any], what: str, seconds: float = 60.0, *, every: float = 0.01) -> Any:
    """The first true answer. Raises TimeoutError that says what was waited for."""
    deadline = time.monotonic() + seconds
    while not (answer := is_so()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:g} s for {what}")
        time.sleep(every)
    return answer


def _attempts(store: Path, run_id: str) -> list[dict[str, Any]]:
    found = []
    folders = sorted((store / "runs" / run_id / "attempts").glob("*"), key=lambda f: int(f.name))
    for folder in folders:
        try:
            found.append(json.loads((folder / "attempt.json").read_bytes()))
        except (OSError, ValueError):
            continue  # being made
    return found


def _is_live(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False
