"""`pulumi-training orphans`: what lives without a stack that knows it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..spec.text import count
from .exit import ExitCode, verb
from .options import StoreOption

if TYPE_CHECKING:
    from ..client.orphans import Orphan, Survey


@verb
def orphans(
    store: StoreOption = None,
    remove: Annotated[bool, typer.Option("--remove", help="Stop and remove them, after asking.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    unknown: Annotated[
        bool, typer.Option("--unknown", help="Include those whose owner is not known.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List live runs, processes and containers that no stack has.

    Looks at runs of the backend that `pulumi` uses in this folder, and of experiments. Runs of other backends, and runs
    that an update is waiting for, are left alone. Records stay.
    """
    from ..client import orphans as client
    from ..spec.errors import TrainingError
    from . import output

    survey = client.survey(store, output.note)
    found = [*survey.orphans, *(survey.unknown if unknown else ())]
    if json:
        output.as_json([_document(orphan) for orphan in found])
    elif found:
        columns = [output.Column(name) for name in ("RUN", "ATTEMPT", "WHAT", "WHY", "OWNER")]
        output.table(columns, [(o.run_id, str(o.attempt), o.what, o.why, o.owner) for o in found])
        output.note(
            "`pulumi up` of its program takes a run over again; `pulumi-training cancel RUN` stops it"
        )
    else:
        output.note("no orphans: every live run of this backend belongs to one of its stacks")
    _say_what_is_left_out(survey, unknown)
    if not found or not remove:
        return
    if not yes and not (sys.stdin.isatty() and typer.confirm(f"Stop and remove {len(found)}?")):
        output.note(
            "not removed" if sys.stdin.isatty() else "not removed: there is no terminal to ask on; add --yes"
        )
        raise typer.Exit(ExitCode.FAILURE)
    has_failed = False
    for orphan in found:
        name = f"{orphan.run_id} attempt {orphan.attempt}"
        try:
            if not client.is_still(orphan):
                output.line(f"{name}: left alone, a stack has it now")
                continue
            client.remove(orphan)
        except (TrainingError, OSError) as error:  # the others are swept all the same
            has_failed = True
            output.line(f"{name}: not removed: {error}", "red")
            continue
        output.line(f"{name}: stopped and removed")
    if has_failed:
        raise typer.Exit(ExitCode.FAILURE)


def _document(orphan: Orphan) -> dict[str, Any]:
    return {
        "run": orphan.run_id,
        "attempt": orphan.attempt,
        "what": orphan.what,
        "owner": orphan.owner,
        "why": orphan.why,
        "unknown": orphan.is_unknown,
    }


def _say_what_is_left_out(survey: Survey, unknown: bool) -> None:
    from . import output

    for words in survey.busy:
        output.note(words)
    if survey.elsewhere:
        belong = "belongs" if survey.elsewhere == 1 else "belong"
        output.note(
            f"{count(survey.elsewhere, 'run')} {belong} to other backends, whose stacks were not asked"
        )
    for orphan in () if unknown else survey.unknown:
        output.note(
            f"{orphan.run_id} ({orphan.what}) is left alone: {orphan.why}. `pulumi-training cancel {orphan.run_id}` "
            "stops it; --unknown lists it"
        )
