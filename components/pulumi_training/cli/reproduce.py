"""`pulumi-training reproduce`: repeats a run from its record, and says whether the outputs are the same."""

from __future__ import annotations

from typing import Annotated

import typer

from ..spec.text import count
from .exit import ExitCode, verb
from .options import RunArgument, StoreOption


@verb
def reproduce(
    run: RunArgument,
    store: StoreOption = None,
    detach: Annotated[bool, typer.Option("--detach", help="Start it, and do not wait for it.")] = False,
) -> None:
    """Repeat a finished run, and compare the outputs.

    It is repeated from its record: with the same source, the same versions of packages and the same arguments. The
    repetition is a run of its own, `<run id>-r1`. Secrets are taken from this shell's environment, by name. The exit
    code is 1 if it fails, or if its outputs differ.
    """
    from ..client.reproduce import compare, follow
    from ..driver.reproduce import reproduce as repeat
    from ..driver.start import start
    from . import output
    from .named import find_run

    again = repeat(find_run(run, store).record)
    for warning in again.warnings:
        output.note(f"warning: {warning}")
    output.note(f"repeating {again.original.run_id} as {again.record.run_id}")
    start(again.record, again.attempt.number, again.base, again.secrets)
    if detach:
        output.line(again.record.run_id)
        return
    document = follow(again, output.note)
    if document.outcome is None or not document.outcome.is_success:
        words = document.outcome.message if document.outcome else document.status.value
        output.line(f"{again.record.run_id} did not complete: {words}")
        raise typer.Exit(ExitCode.FAILURE)
    verdict = compare(again)
    if verdict.is_same:
        output.line(
            f"{again.record.run_id}: the same {count(verdict.files, 'file')}, manifest {verdict.digest}"
        )
        return
    output.line(f"{again.record.run_id}: the outputs differ: {', '.join(verdict.different)}")
    raise typer.Exit(ExitCode.FAILURE)
