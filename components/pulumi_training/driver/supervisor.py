"""The process that owns a live run and outlives the plugin that started it, as whoever starts it sees it.

It is exec'ed in a session of its own with every descriptor closed and its output in a file: the engine waits
for the plugin's pipes to close and kills its process group. It runs from a copy of this package (`own_code`). What
it needs, secrets included, comes through its standard input; its arguments only say to a person what it is.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from ..agent.facts import open_log
from ..record.lock import DriverLock
from ..record.record import Record

_BOOTSTRAP = """import sys
sys.path[:0] = sys.argv[1].splitlines()
order = sys.stdin.buffer.read() if sys.argv[3:] == ["waits"] else None
import site
site.main()
from pulumi_training.driver.supervise import main
main(order)
"""
_WAITS = "waits"


def load_ahead(record: Record, attempt: int, target: str) -> None:
    """Starts a supervisor that loads while its order is still being made; `spawn` then hands it the order.

    Loading takes as long as copying a source tree does. Where as many load already as there are cores, none is
    started. One that gets no order, because of `dismiss` or because this process died, ends by itself and has
    done nothing. `target` is the target to load.

    Raises:
        OSError: the process could not be started.
    """
    if _may_load.acquire(blocking=False):
        _loading[record.location, attempt] = _start(record, attempt, target)


def dismiss(record: Record, attempt: int) -> None:
    """Sends away the supervisor that was loaded ahead, where there is one."""
    process = _loading.pop((record.location, attempt), None)
    if process is not None:
        _go(process)
        _keep(f"{record.location} dismissed", process)


def spawn(record: Record, attempt: int, base: Path, secrets: Mapping[str, str]) -> None:
    """Starts a supervisor for an attempt. Starting one too many is harmless: the lock lets one of them drive.

    Raises:
        OSError: the process could not be started.
    """
    process = _loading.pop((record.location, attempt), None)
    if process is None or process.poll() is not None:
        has_turn = _may_load.acquire(timeout=_LOAD_SECONDS)
        process = _start(record, attempt, has_turn=has_turn)
    _order(process, record, attempt, base, secrets)
    _go(process)
    _keep(record.location, process)


def stand_by(
    record: Record, attempt: int, base: Path, secrets: Mapping[str, str], behind: str
) -> Callable[[], None]:
    """Starts a supervisor that has its order and takes no core yet; it loads when the answer is called.

    It does so too when this process dies. `behind` is the token of the hold of the lock that it waits for.

    Raises:
        OSError: the process could not be started.
    """
    process = _started(record, attempt, _WAITS)
    _order(process, record, attempt, base, secrets, behind)
    _keep(record.location, process)

    def release() -> None:
        has_turn = _may_load.acquire(timeout=_LOAD_SECONDS)
        _see_it_load(process, has_turn=has_turn)
        _go(process)

    return release


def is_starting(record: Record) -> bool:
    """Whether a supervisor that this process started for the run is still there, with or without the lock yet.

    On a busy machine many of them take longer to load than anybody should wait before starting another.
    """
    child = _children.get(record.location)
    return child is not None and child.poll() is None


def is_driven(record: Record) -> bool:
    """Whether a process drives the run's newest attempt, or is about to."""
    return is_starting(record) or DriverLock(record).holder() is not None


def _start(
    record: Record, attempt: int, target: str | None = None, *, has_turn: bool = True
) -> subprocess.Popen[bytes]:
    """Starts a process; a turn to load is given back when it has loaded, or is gone."""
    try:
        process = _started(record, attempt, target)
    except BaseException:
        if has_turn:
            _may_load.release()
        raise
    _see_it_load(process, has_turn=has_turn)
    return process


def _order(
    process: subprocess.Popen[bytes],
    record: Record,
    attempt: int,
    base: Path,
    secrets: Mapping[str, str],
    behind: str = "",
) -> None:
    order = {
        "store": record.store.url,
        "run_id": record.run_id,
        "attempt": attempt,
        "base": str(base),
        "secrets": dict(secrets),
        "behind": behind,
    }
    assert process.stdin is not None
    # One that died at once has nobody hold the run's lock; whoever follows the run sees that, and says so.
    with suppress(BrokenPipeError):
        process.stdin.write(json.dumps(order).encode())
        process.stdin.flush()


def _go(process: subprocess.Popen[bytes]) -> None:
    """The end of the order, or of the wait for one."""
    assert process.stdin is not None
    with suppress(BrokenPipeError):
        process.stdin.close()


def _see_it_load(process: subprocess.Popen[bytes], *, has_turn: bool) -> None:
    threading.Thread(
        target=_await_loaded, args=(process, has_turn), name="supervisor-loading", daemon=True
    ).start()


def _await_loaded(process: subprocess.Popen[bytes], has_turn: bool) -> None:
    assert process.stdout is not None
    with process.stdout as pipe:
        while pipe.read(4096):
            pass  # nothing is expected; what a library prints while it loads is nobody's business
    if has_turn:
        _may_load.release()


def _started(record: Record, attempt: int, word: str | None) -> subprocess.Popen[bytes]:
    from .own_code import own_code

    log = record.attempt(attempt).prepare_folder() / "launch" / "supervisor.log"
    with os.fdopen(open_log(str(log)), "ab") as output, own_code() as (folders, kept):
        words = ["\n".join(folders), f"{record.run_id}-a{attempt}", *([word] if word else [])]
        return subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _BOOTSTRAP, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            cwd="/",
            env=_environment(),
            start_new_session=True,
            close_fds=True,
            pass_fds=() if kept is None else (kept,),
        )


def _keep(name: str, process: subprocess.Popen[bytes]) -> None:
    with _keeping:  # many runs are started at once, each in a thread of its own
        for ended in [known for known, child in _children.items() if child.poll() is not None]:
            del _children[ended]
        _children[name] = process


def _environment() -> dict[str, str]:
    """This process's own without what belongs to the engine: a script may read what a process of its user has."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PULUMI_")}


_LOAD_SECONDS = 60.0
"""The longest wait for a turn to load; then one more loads beside the others."""
_may_load = threading.Semaphore(max(2, os.cpu_count() or 1))
"""Turns to load. Fifty supervisors that load at once would leave the engine and its other plugins no core."""
_loading: dict[tuple[str, int], subprocess.Popen[bytes]] = {}
"""By the run's place (run ids of two stores may be equal) and attempt: supervisors that wait for their order."""
_keeping = threading.Lock()
_children: dict[str, subprocess.Popen[bytes]] = {}
"""By the run's place, until they end, so that none is left a zombie of a long-lived plugin."""
