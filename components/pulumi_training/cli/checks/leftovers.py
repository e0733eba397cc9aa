"""What crashes left behind: live runs that nobody drives, and stack locks of dead processes."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from ...spec.document import DamagedDocument, fields_of, parse_object
from .check import Check, State

_SHOWN = 5


@dataclass(frozen=True)
class _Lock:
    """What of Pulumi's own lock file is looked at."""

    pid: Annotated[int, lambda pid: 0 < pid < 2**31]
    hostname: str


def runs() -> list[Check]:
    """Live runs whose supervisor is gone, in every known workspace."""
    from ...client.runs import list_runs
    from ...spec.outcome import Status

    listing = list_runs(statuses=[status for status in Status if not status.is_terminal])
    lost = [line for line in listing.lines if line.is_attended is False]
    found = [
        Check("Store", State.WARN, f"{place.store}: {place.message}", "check that it can be reached")
        for place in listing.unreadable
    ]
    found += [
        Check("Record", State.WARN, f"{run.run_id} in {run.location} cannot be read", run.message)
        for run in listing.passed_over[:_SHOWN]
    ]
    if len(listing.passed_over) > _SHOWN:
        words = f"{len(listing.passed_over) - _SHOWN} more records that cannot be read"
        found.append(Check("Record", State.WARN, words, "pulumi-training runs list"))
    for line in lost[:_SHOWN]:
        found.append(
            Check(
                "Unattended run",
                State.WARN,
                f"{line.run_id} is {line.status} in {line.location}, and the process that drove it is gone",
                f"pulumi up (goes on with it), or pulumi-training cancel {line.run_id}",
            )
        )
    if len(lost) > _SHOWN:
        words = f"{len(lost) - _SHOWN} more unattended runs"
        found.append(Check("Unattended run", State.WARN, words, "pulumi-training runs list"))
    if lost:
        return found
    count = len(listing.lines)
    words = "none is live" if not count else f"{count} live, each with its supervisor"
    return [*found, Check("Runs", State.OK, words)]


def locks() -> list[Check]:
    """Stack locks of a file backend whose process is dead: a killed `pulumi` leaves one."""
    from ...record import backend

    here = backend.current()
    folder = here.folder if here else None
    if folder is None:
        return []
    found = []
    for path in sorted(folder.glob(".pulumi/locks/**/*.json")):
        stack = "/".join(path.parent.relative_to(folder / ".pulumi" / "locks").parts[-2:])
        pid = _dead_holder(path)
        if pid is not None:
            found.append(
                Check(
                    "Stack lock",
                    State.WARN,
                    f"{stack} is locked by process {pid}, which is gone; its update may be pending in state",
                    "pulumi cancel, then pulumi up: it adopts the run",
                )
            )
    return found


def _dead_holder(path: Path) -> int | None:
    import psutil

    try:
        lock = fields_of(_Lock, parse_object(path.read_bytes(), str(path)), str(path))
    except (OSError, DamagedDocument):
        return None
    pid, host = int(lock["pid"]), str(lock["hostname"])
    if host != socket.gethostname() or psutil.pid_exists(pid):
        return None
    return pid
