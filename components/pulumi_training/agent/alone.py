"""`agent launch`: `agent run` that nobody can start twice, with its own words in a file.

For machines where nobody stays beside it: whoever looks later tells a live one from a dead one by its lock.
"""

from __future__ import annotations

import fcntl
import os
import sys

from .channel import SECRET_VARIABLE
from .request import read_request

LOCK = "launch/agent.lock"
"""Held for as long as `agent run` lives; nothing it starts inherits it."""
END = "launch/end.json"
BEGUN_BEFORE = 3


def launch(request_path: str, secret_file: str | None = None) -> int:
    """Runs one launch unless one was begun before (then 3); otherwise the answer of `agent run`."""
    try:
        folder = read_request(request_path).folder
        os.makedirs(f"{folder}/launch", exist_ok=True)
        lock = os.open(f"{folder}/{LOCK}", os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o644)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        log = os.open(f"{folder}/launch/agent.log", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)
        if secret_file is not None:
            os.environ[SECRET_VARIABLE] = read_secret(secret_file)
    except FileExistsError:
        return BEGUN_BEFORE
    except (OSError, ValueError) as problem:
        sys.stderr.write(f"agent launch: {problem}\n")
        return 2
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    from .run import run_launch

    return run_launch(request_path, is_alone=True, secret_file=secret_file)


def state(folder: str) -> str:
    """Where `agent launch` stands: none (never begun), alive, ended (it left its last word) or gone."""
    try:
        lock = os.open(f"{folder}/{LOCK}", os.O_RDWR)
    except OSError:
        return "none"
    try:
        # A shared lock, so that two who look at once do not take one another for the agent.
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return "alive"
    finally:
        os.close(lock)
    return "ended" if os.path.exists(f"{folder}/{END}") else "gone"


def read_secret(path: str) -> str:
    """The run's secret, where it stands in a file that the process list and the container's settings do not show."""
    with open(path, "rb") as stream:  # noqa: PTH123
        return stream.read().decode("ascii").strip()
