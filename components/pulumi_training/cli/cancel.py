"""`pulumi-training cancel`: stops a run, and says so when it has been seen stopped."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from .exit import ExitCode, verb
from .options import RunArgument, StoreOption

if TYPE_CHECKING:
    from ..record.documents import AttemptDocument


@verb
def cancel(
    run: RunArgument,
    grace: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(
            "--grace",
            metavar="SECONDS",
            min=0,
            help="Seconds between SIGTERM and SIGKILL; default: the job's own.",
        ),
    ] = None,
    machine_gone: Annotated[
        bool,
        typer.Option(
            "--machine-gone", help="The machine that it ran on is gone for good; do not wait for it."
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    store: StoreOption = None,
) -> None:
    """Stop a run and its retries, and wait for their end.

    Its scripts get SIGTERM, and the grace period to save a checkpoint. Logs and outputs are kept. A job's name stops a
    run of this folder's project and stack only; a run id stops any run.
    """
    from ..client.view import view
    from . import output
    from .named import find_run

    found = find_run(run, store, to_change=True)
    document = view(found).document
    if document is None:
        output.note(f"{found.run.run_id} has no attempt yet; there is nothing to stop")
        return
    if document.is_over:
        output.line(f"{found.run.run_id} has already ended: {_end(document)}")
        return
    if not yes and sys.stdin.isatty() and sys.stdout.isatty():
        words = f"Stop {found.run.run_id}, attempt {document.attempt}, {document.status.value}, in {found.record.location}?"
        from ..spec.text import safe

        if not typer.confirm(safe(words)):
            output.note("not stopped")
            raise typer.Exit(ExitCode.FAILURE)
    from ..driver.stop import cancel as stop

    output.note(f"stopping {found.run.run_id} …")
    ended = stop(found.record, grace=grace, is_machine_gone=machine_gone)
    if ended is None:
        return
    output.line(f"{found.run.run_id} attempt {ended.attempt}: {_end(ended)}")


def _end(document: AttemptDocument) -> str:
    outcome = document.outcome
    if outcome is None or outcome.reason.value == document.status.value:
        return document.status.value
    return f"{document.status.value} ({outcome.reason.value})"
