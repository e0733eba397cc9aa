"""The agent of an attempt as a process of this machine: started once, found again, stopped."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from ...environment import cache
from ...record.files import try_lock, write_whole
from ...spec.errors import TransientError
from ..contract.handle import Handle
from . import last_words

if TYPE_CHECKING:
    from ...agent.marks import Marks

_LOCK = "launch/agent.lock"
_END = "launch/end.json"
_STOP = "launch/stop.json"
_LAUNCHED = "launch/launcher.log"
_TRIES = 20


def start(folder: Path, line: list[str], environment: Mapping[str, str], prefix: Path | None) -> int | None:
    """Starts `agent run` in a session of its own; its pid, or None where it runs already or has launched before.

    The environment at `prefix` is kept from being pruned for as long as the agent lives.

    The agent holds a lock on a file of the attempt for as long as it lives, and nothing it starts inherits
    it: whoever comes later can tell a live agent from a dead one whatever pids have become.
    """
    lock = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR, 0o644)
    try:
        if not _take(lock) or was_launched(folder):
            return None
        with (folder / "launch" / "agent.log").open("ab") as log, _kept(prefix) as kept:
            child = subprocess.Popen(
                line,
                env=dict(environment),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=(lock,) if kept is None else (lock, kept),
            )
        _children[:] = [c for c in _children if c.poll() is None]
        _children.append(child)
        return child.pid
    finally:
        os.close(lock)


def _kept(prefix: Path | None) -> AbstractContextManager[int | None]:
    return nullcontext() if prefix is None else cache.using(prefix)


def is_live(folder: Path) -> bool:
    """Whether the agent of the attempt in `folder` runs."""
    try:
        lock = os.open(folder / _LOCK, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        # A shared lock, so that two who look at once do not take one another for the agent.
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def _take(lock: int) -> bool:
    """Takes the agent's lock, which those who look hold for an instant."""
    for _ in range(_TRIES):
        if try_lock(lock):
            return True
        time.sleep(0.005)
    return False


def has_ended(folder: Path) -> bool:
    """Whether the agent left its last word."""
    return last_words.exists(folder, _END)


def was_begun(folder: Path) -> bool:
    """Whether anybody ever set about starting an agent of the attempt."""
    return (folder / _LOCK).exists()


def was_launched(folder: Path) -> bool:
    """Whether an agent of the attempt got as far as starting its launcher: scripts may have run."""
    return has_ended(folder) or (folder / _LAUNCHED).exists()


def stop(handle: Handle, grace: float) -> None:
    """Asks the agent to stop its ranks and returns when nothing of the attempt runs; `grace` in seconds.

    Raises:
        TransientError: something survives.
    """
    folder = place_of(handle)
    if handle.driven_on and not is_live(folder) and not has_ended(folder):
        raise TransientError(words_of_elsewhere(handle))
    if is_live(folder):
        order = json.dumps({"why": "cancel", "grace_seconds": grace}).encode()
        write_whole(folder / _STOP, order, durable=False)
        deadline = time.monotonic() + grace + 15
        while is_live(folder) and time.monotonic() < deadline:
            time.sleep(0.02)
        if handle.driven_on and is_live(folder):
            raise TransientError(words_of_elsewhere(handle))
    end_all(handle)


def words_of_elsewhere(handle: Handle) -> str:
    """Why nothing can be told of an attempt that ran on another machine last, and who can."""
    return (
        f"attempt {handle.attempt} of run {handle.run_id} was started on machine {handle.driven_on}, and only that "
        f"machine can see its processes: `pulumi-training cancel {handle.run_id}` stops them there. If that machine is "
        f"gone for good, say so here: `pulumi-training cancel {handle.run_id} --machine-gone`"
    )


def end_all(handle: Handle) -> None:
    """Kills what is left of an attempt's processes, and returns when none is.

    Raises:
        TransientError: something survives.
    """
    from . import processes

    try:
        processes.stop(marks_of(handle), 0.0)
    except TimeoutError as error:
        raise TransientError(str(error)) from error


def place_of(handle: Handle) -> Path:
    """The folder that the attempt's processes write into: where it began, if that is this machine's and is there."""
    if handle.began_in and os.path.isdir(handle.began_in):
        return Path(handle.began_in)
    return Path(handle.folder)


def marks_of(handle: Handle) -> Marks:
    """What tells the processes of an attempt from all others."""
    from ...agent.marks import Marks

    return Marks(handle.run_id, handle.attempt, handle.store, handle.folder, handle.began_in)


_children: list[subprocess.Popen[bytes]] = []
"""Kept until they end, so that none is left a zombie of its supervisor."""
