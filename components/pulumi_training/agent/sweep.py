"""Finding and ending every process of a run, however it hides: by its environment, never by a pid alone."""

from __future__ import annotations

import os
import sys
import time

from .script import SIGKILL, SIGTERM

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .marks import Marks

TERM_SECONDS = 1.0
KILL_SECONDS = 3.0


def sweep(marks: Marks, *, descendants_of: int | None = None) -> list[int]:
    """Ends the processes of an attempt: SIGTERM, a second, SIGKILL. Answers the pids that would not go.

    Left alone are this process and its ancestors. With `descendants_of`, orphans that this process adopted
    are ended too, also those that emptied their environment.
    """
    deadline = time.monotonic() + TERM_SECONDS
    end = deadline + KILL_SECONDS
    number = SIGTERM
    told: set[int] = set()
    while True:
        _reap(descendants_of)
        found = find(marks, descendants_of=descendants_of)
        now = time.monotonic()
        if not found or now >= end:
            return found
        if now >= deadline and number == SIGTERM:
            number, told = SIGKILL, set()
        for pid in found:
            if pid not in told or number == SIGKILL:
                told.add(pid)
                _signal_quietly(pid, number)
        time.sleep(0.02)


def find(marks: Marks, *, descendants_of: int | None = None) -> list[int]:
    """The live processes of an attempt, without this process and its ancestors."""
    spared = _ancestors()
    found = {pid for pid in process_ids() if pid not in spared and marks.fit(pid, process_environment(pid))}
    if descendants_of is not None:
        found |= {pid for pid in _descendants(descendants_of) if pid not in spared}
    return sorted(found)


def process_ids() -> list[int]:
    """All processes that can be seen; zombies too, whose environment is empty."""
    if sys.platform.startswith("linux"):
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return list(_ps_table())


def process_environment(pid: int) -> list[bytes]:
    """The `NAME=value` words a process was started with; empty where they may not be read."""
    if not sys.platform.startswith("linux"):
        return _ps_table().get(pid, (0, []))[1]
    try:
        with open(f"/proc/{pid}/environ", "rb") as stream:  # noqa: PTH123
            return stream.read().split(b"\0")
    except OSError:
        return []


def _ps_table() -> dict[int, tuple[int, list[bytes]]]:
    """macOS: pid -> parent and environment words, best effort (`ps -E` shows only the user's own)."""
    with os.popen("ps -axwwE -o pid=,ppid=,command=") as stream:
        rows = [line.encode("utf-8", "surrogateescape").split() for line in stream.read().splitlines()]
    return {int(row[0]): (int(row[1]), row[2:]) for row in rows if len(row) > 2}


def _parent_of(pid: int) -> tuple[int, bytes]:
    """The parent and the state letter; (0, b"") for a process that is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:  # noqa: PTH123
            state, parent = stream.read().rpartition(b")")[2].split()[:2]
    except (OSError, ValueError):
        return 0, b""
    return int(parent), state


def _ancestors() -> set[int]:
    pid, found = os.getpid(), {os.getpid(), os.getppid()}
    while pid > 1 and sys.platform.startswith("linux"):
        pid, _ = _parent_of(pid)
        found.add(pid)
    return found


def _descendants(root: int) -> set[int]:
    if not sys.platform.startswith("linux"):
        return set()
    parents = {pid: _parent_of(pid) for pid in process_ids()}
    found: set[int] = set()
    grown = {root}
    while grown:
        grown = {pid for pid, (parent, _) in parents.items() if parent in grown and pid not in found}
        found |= grown
    return {pid for pid in found if parents[pid][1] not in (b"Z", b"X", b"")}


def _reap(parent: int | None) -> None:
    """Collects dead orphans that were adopted by this process."""
    while parent == os.getpid():
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return


def _signal_quietly(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return
