"""`pulumi-training runs list`: the runs of this folder's project, of every project, or of one store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Optional

import typer

from ..spec.outcome import Status
from ..spec.text import count
from .exit import usage_error, verb
from .options import JsonOption, StoreOption

if TYPE_CHECKING:
    from ..client.runs import RunLine
    from ..record.runs import UnreadableRun

_NEWER = "NewerVersion"
"""Stands for the status of a run whose record only a newer version can read."""


@verb
def list_(
    store: StoreOption = None,
    workspace: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--workspace", metavar="NAME", help="Only runs of this workspace."),
    ] = None,
    status: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--status", metavar="STATUS", help="Only runs with this status; may be repeated."),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=0, help="At most this many; 0 means no limit.")
    ] = 50,
    all_: Annotated[
        bool, typer.Option("--all", help="Runs of every project, not only this folder's.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """List the runs of this folder's project, the newest first.

    In a folder without a Pulumi.yaml, and with --all, the runs of every workspace seen on this machine are listed; with
    --store, every run of that store.
    """
    from ..client.here import here
    from ..client.runs import list_runs, run_json
    from . import output

    folder = here()
    is_of_project = bool(folder.project) and store is None and not all_
    found = list_runs(
        store, workspace, _statuses(status or []), limit or None, here=folder if is_of_project else None
    )
    # Of runs by a newer version something is known: that they are there. They stand in the list where nothing is asked
    # that only their documents could answer.
    newer = [] if workspace or status else [run for run in found.passed_over if run.is_newer]
    if json:
        output.as_json([*map(run_json, found.lines), *map(_newer_json, newer)])
    elif found.lines or newer:
        _table(list(found.lines), newer)
    for place in found.unreadable:
        output.note(f"{place.store} could not be read: {place.message}")
    for each in found.passed_over:
        output.note(f"{each.run_id}{f' (job {each.job})' if each.job else ''} is passed over: {each.message}")
    if found.left_out:
        output.note(f"{found.left_out} more; --limit 0 lists all")
    is_empty = not (found.lines or newer)
    if is_empty and not json and not found.passed_over:
        project = folder.project if is_of_project else ""
        output.note(_nothing(found.stores, store, bool(workspace or status), project))
    if found.elsewhere:
        output.note(
            f"{count(found.elsewhere, 'run')} of other projects not listed; --all lists every project's"
        )
    if is_empty and (found.unreadable or found.passed_over):
        raise typer.Exit(1)


def _newer_json(run: UnreadableRun) -> dict[str, str]:
    return {
        "run_id": run.run_id,
        "job": run.job,
        "status": _NEWER,
        "location": run.location,
        "message": run.message,
    }


def _table(lines: list[RunLine], newer: list[UnreadableRun]) -> None:
    from . import output, text

    shows_retries = not output.is_terminal() or any(line.attempt > 1 for line in lines)
    # What is piped has the same columns everywhere.
    shows_project = not output.is_terminal() or len({line.project for line in lines}) > 1
    shows_stack = not output.is_terminal() or len({(line.project, line.stack) for line in lines}) > 1
    columns = [
        output.Column("RUN"),
        output.Column("JOB", gives_way=2),
        output.Column("STATUS"),
        output.Column("REASON"),
        *([output.Column("ATTEMPT", is_right=True)] if shows_retries else []),
        output.Column("STARTED"),
        output.Column("DURATION", is_right=True),
        output.Column("METRICS", gives_way=1),
        output.Column("WORKSPACE", gives_way=5),
        *([output.Column("PROJECT", gives_way=3)] if shows_project else []),
        *([output.Column("STACK", gives_way=4)] if shows_stack else []),
    ]
    rows = []
    for line in lines:
        row = [line.run_id, line.job, _status(line), _reason(line)]
        row += [str(line.attempt)] if shows_retries else []
        row += [
            text.ago(line.started_at or line.created_at),
            text.duration(line.duration()),
            text.metrics(line.metrics),
            line.workspace,
        ]
        row += [line.project] if shows_project else []
        row += [line.stack] if shows_stack else []
        rows.append(row)
    for run in newer:
        rows.append([run.run_id, run.job, _NEWER, *[""] * (len(columns) - 3)])
    output.table(columns, rows)


def _reason(line: RunLine) -> str:
    return line.reason if line.reason and line.reason != line.status else ""


def _status(line: RunLine) -> str:
    if line.is_attended is False:
        return f"{line.status} (unattended)"
    return f"{line.status} (pruned)" if line.is_pruned else line.status


def _statuses(words: list[str]) -> list[Status]:
    by_name = {status.value.lower(): status for status in Status}
    found = []
    for word in (part.strip() for words_ in words for part in words_.split(",")):
        status = by_name.get(word.lower())
        if status is None:
            raise usage_error(f"--status {word!r} is none of {', '.join(s.value for s in Status)}")
        found.append(status)
    return found


def _nothing(stores: int, store: str | None, is_filtered: bool, project: str) -> str:
    if project:
        return f"no runs of project {project}" + (" match" if is_filtered else " yet")
    if store is not None:
        return f"no runs in {store}" + (" match" if is_filtered else "")
    if not stores:
        return "no workspace was seen on this machine yet; `pulumi up` makes one, --store names a store"
    return "no runs match" if is_filtered else "no runs yet"
