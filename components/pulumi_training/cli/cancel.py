"""`pulumi-training cancel`: stops a run, and says so when it has been seen stopped."""

from __future__ import annotations

import sys
from typing import Annotated, Optional

import typer

from .exit import ExitCode, verb
from .options import RunArgument, StoreOption


@verb
def cancel(
    run: RunArgument,
    grace: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(
            "--grace", metavar="SECONDS", min=0, help="Between SIGTERM and SIGKILL; default: the job's own."
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    store: StoreOption = None,
) -> None:
    """Stop a run and its retries; return when nothing of it runs.

    Its scripts get SIGTERM and the grace period to save a checkpoint; logs and outputs are kept.
    """
    from ..client.runs import find
    from ..client.view import view
    from . import output

    found = find(run, store)
    document = view(found).document
    if document is None:
        output.note(f"{found.run.run_id} has no attempt; there is nothing to stop")
        return
    if document.status.is_terminal and not document.notes.get("will_retry"):
        reason = f" ({document.outcome.reason.value})" if document.outcome else ""
        output.line(f"{found.run.run_id} has ended already: {document.status.value}{reason}")
        return
    if not yes and sys.stdin.isatty() and sys.stdout.isatty():
        words = f"Stop {found.run.run_id}, attempt {document.attempt}, {document.status.value}, in {found.record.location}?"
        from .text import safe

        if not typer.confirm(safe(words)):
            output.note("left alone")
            raise typer.Exit(ExitCode.FAILURE)
    from ..driver.stop import cancel as stop

    output.note(f"stopping {found.run.run_id} …")
    ended = stop(found.record, grace=grace)
    if ended is None:
        return
    reason = f" ({ended.outcome.reason.value})" if ended.outcome and ended.status.value == "Failed" else ""
    output.line(f"{found.run.run_id} attempt {ended.attempt}: {ended.status.value}{reason}")
