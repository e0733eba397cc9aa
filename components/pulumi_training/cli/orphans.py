"""`pulumi-training orphans`: what lives without a stack that knows it."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from .exit import ExitCode, verb
from .options import StoreOption


@verb
def orphans(
    store: StoreOption = None,
    remove: Annotated[bool, typer.Option("--remove", help="Stop and remove them, after asking.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List live runs, and processes and containers of runs, that no stack of the current backend knows.

    The backend is the one that `pulumi` is logged in to here. Records stay.
    """
    from ..client import orphans as client
    from . import output

    found = client.orphans(client.known_runs(), store, output.note)
    if json:
        output.as_json(
            [{"run": o.run_id, "attempt": o.attempt, "what": o.what, "owner": o.owner} for o in found]
        )
    elif not found:
        output.note("no orphans: every live run belongs to a stack of this backend")
    else:
        columns = [output.Column(name) for name in ("RUN", "ATTEMPT", "WHAT", "OWNER")]
        output.table(columns, [(o.run_id, str(o.attempt), o.what, o.owner) for o in found])
    if not found or not remove:
        return
    if not yes and not (sys.stdin.isatty() and typer.confirm(f"Stop and remove {len(found)}?")):
        output.note(
            "left alone" if sys.stdin.isatty() else "not removed: add --yes where nobody can be asked"
        )
        raise typer.Exit(ExitCode.FAILURE)
    for orphan in found:
        client.remove(orphan)
        output.line(f"{orphan.run_id} attempt {orphan.attempt}: stopped and removed")
