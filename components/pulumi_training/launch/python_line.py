"""The argv of a rank's script."""

from __future__ import annotations

from collections.abc import Sequence


def script_line(
    python: str,
    *,
    entry_script: str | None = None,
    command: str | None = None,
    arguments: Sequence[str] = (),
    backend: str | None = None,
) -> list[str]:
    """The argv of every rank: an `entry_script` for `python`, or a `command` for the shell.

    With the `mpi` backend the script runs under `-m mpi4py`, so that an uncaught exception aborts all ranks
    instead of leaving them in a collective for ever. Output is unbuffered: a log is followed while it grows.
    A command's arguments are its `$1`, `$2`, ... . Raises ValueError unless exactly one of the two is given.
    """
    if (entry_script is None) == (command is None):
        raise ValueError("a run has either an entry script or a command")
    if command is not None:
        return ["/bin/sh", "-c", command, "sh", *arguments]
    assert entry_script is not None
    module = ["-m", "mpi4py"] if backend == "mpi" else []
    return [python, "-u", *module, entry_script, *arguments]
