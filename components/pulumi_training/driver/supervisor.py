"""The process that owns a live run and outlives the plugin that started it.

It is exec'ed in a session of its own with every descriptor closed and its output in a file: the engine waits
for the plugin's pipes to close and kills its process group. What it needs, secrets included, comes through
its standard input; its arguments only say to a person what it is.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from ..record.record import Record
from ..record.store import Store

_PACKAGE_ROOT = Path(__file__).resolve().parents[2]
_BOOTSTRAP = (
    "import sys; sys.path.insert(0, sys.argv[1]); from pulumi_training.driver.supervisor import main; main()"
)


def spawn(record: Record, attempt: int, base: Path, secrets: Mapping[str, str]) -> None:
    """Starts a supervisor for an attempt. Starting one too many is harmless: the lock lets one of them drive.

    Raises:
        OSError: the process could not be started.
    """
    folder = record.attempt(attempt).prepare_folder()
    order = {
        "store": record.store.url,
        "run_id": record.run_id,
        "attempt": attempt,
        "base": str(base),
        "secrets": dict(secrets),
    }
    log = folder / "launch" / "supervisor.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-I", "-c", _BOOTSTRAP, str(_PACKAGE_ROOT), f"{record.run_id}-a{attempt}"],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            cwd="/",
            env=_environment(),
            start_new_session=True,
            close_fds=True,
        )
    assert process.stdin is not None
    try:
        process.stdin.write(json.dumps(order).encode())
        process.stdin.close()
    except BrokenPipeError:
        # It died at once; whoever follows the run sees that nobody holds its lock, and says so with its log.
        pass
    for name in [name for name, child in _children.items() if child.poll() is not None]:
        del _children[name]
    _children[record.run_id] = process


def is_starting(run_id: str) -> bool:
    """Whether a supervisor that this process started for the run is still there, with or without the lock yet.

    On a busy machine many of them take longer to load than anybody should wait before starting another.
    """
    child = _children.get(run_id)
    return child is not None and child.poll() is None


def log_tail(record: Record, attempt: int, limit: int = 2000) -> str:
    """The last words of the supervisors of an attempt, at most `limit` characters."""
    try:
        text = (record.attempt(attempt).folder / "launch" / "supervisor.log").read_text(errors="replace")
    except OSError:
        return ""
    return text[-limit:]


def _environment() -> dict[str, str]:
    """This process's own without what belongs to the engine: a script may read what a process of its user has."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PULUMI_")}


def main() -> None:
    """Drives one run to its end; the order is read from standard input."""
    order = json.loads(sys.stdin.buffer.read())
    from .drive import drive

    secrets: dict[str, str] = order["secrets"]
    record = Record(Store.open(order["store"]), order["run_id"], secrets=tuple(secrets.values()))
    drive(record, order["attempt"], Path(order["base"]), secrets)


_children: dict[str, subprocess.Popen[bytes]] = {}
"""By run id, until they end, so that none is left a zombie of a long-lived plugin."""
