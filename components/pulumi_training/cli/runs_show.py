"""`pulumi-training runs show`: everything the record knows of one run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ..spec.errors import TrainingError
from ..spec.text import count, topology
from .exit import verb
from .options import AttemptOption, JsonOption, RunArgument, StoreOption

if TYPE_CHECKING:
    from ..client.view import RunView
    from ..record.events import Event

_EVENTS = 12
_EVENT_NAMES = {"intent": "recorded"}
"""What a person reads in place of the kind of an event."""
_FILES = 20


@verb
def show(
    run: RunArgument,
    store: StoreOption = None,
    attempt: AttemptOption = None,
    all_: Annotated[bool, typer.Option("--all", help="List every event, output, rank and package.")] = False,
    json: JsonOption = False,
) -> None:
    """Show one run: its state, what failed, its outputs.

    Also its attempts, ranks and events, and where its record, logs and outputs are.
    """
    from ..client.view import view
    from . import output
    from .named import find_run

    found = find_run(run, store)
    seen = view(found, attempt)
    if seen.waits_for_a_look:
        from ..driver.attach import ask_service

        try:
            ask_service(found.record)
        except TrainingError as error:
            output.note(f"its service does not answer: {error.message}")
        seen = view(found, attempt)
    if json:
        output.as_json(seen.to_json())
        return
    _head(seen)
    _failure(seen)
    _attempts(seen)
    _ranks(seen, all_)
    _events(seen, all_)
    _outputs(seen, all_)
    _environment(seen, all_)
    _places(seen)
    for words in seen.damage:
        output.note(words)


def _head(seen: RunView) -> None:
    from . import output, text

    run, document = seen.run, seen.document
    spec, compute = run.spec, run.spec.get("compute") or {}
    outcome = seen.outcome
    status = seen.status.value
    if outcome and outcome.reason.value != status:
        status += f" ({outcome.reason.value})"
    if seen.is_attended is False:
        status += "; no process of ours drives it: `pulumi up`, `pulumi refresh` or `pulumi-training logs -f` takes it up"
    shape = topology(spec.get("nodeCount", 1), spec.get("processCountPerNode", 1))
    backend = spec.get("distributedBackend")
    started = document.started_at if document else None
    cost = (document.cost or {}).get("amount") if document else None
    output.fields(
        [
            ("Run", run.run_id + (" (pruned)" if seen.is_pruned else "")),
            ("Job", run.name + (f" ({spec['displayName']})" if spec.get("displayName") else "")),
            ("Status", status),
            ("Progress", (document.progress or "") if document and document.is_live else ""),
            (
                "Attempt",
                f"{document.attempt} of {len(seen.attempts)}" if len(seen.attempts) > 1 and document else "",
            ),
            ("Metrics", text.metrics(document.metrics or {}, 12) if document else ""),
            ("Started", f"{text.clock(started)} ({text.ago(started)})" if started else ""),
            ("Duration", text.duration(seen.duration) if seen.duration is not None else ""),
            ("Cost", f"{cost:.4g}" if cost is not None else ""),
            ("Script", _script(spec)),
            ("Topology", shape + (f", {backend}" if backend else "") if spec else ""),
            (
                "Target",
                f"{compute.get('target', '?')}, cluster {compute.get('cluster', '?')}" if compute else "",
            ),
            *(("Note", note) for note in seen.notes),
            ("Workspace", run.workspace),
            ("Stack", "/".join(filter(None, (run.owner.get("project"), run.owner.get("stack"))))),
            ("Tags", ", ".join(f"{k}={v}" for k, v in seen.tags.items())),
        ]
    )


def _failure(seen: RunView) -> None:
    from . import output

    outcome = seen.outcome
    if outcome is None or outcome.is_success:
        return
    output.heading("What happened")
    who = f"rank {outcome.rank}" if outcome.rank is not None else ""
    if who and outcome.node is not None:
        who += f" on node {outcome.node}"
    output.fields(
        [
            ("Reason", outcome.reason.value),
            ("Message", outcome.message),
            ("First to fail", who),
            ("Exit code", "" if outcome.exit_code is None else str(outcome.exit_code)),
            ("Signal", outcome.signal or ""),
            ("Exception", outcome.exception or ""),
            ("Next", outcome.reason.rule.advice),
        ]
    )
    if outcome.log_tail.strip():
        output.heading(f"Last lines of {who.split(' on ')[0] if who else 'the log'}")
        output.indented(outcome.log_tail)


def _attempts(seen: RunView) -> None:
    from . import output, text

    if len(seen.attempts) < 2:
        return
    output.heading("Attempts")
    columns = [
        output.Column("ATTEMPT", is_right=True),
        output.Column("STATUS"),
        output.Column("REASON"),
        output.Column("STARTED"),
        output.Column("DURATION", is_right=True),
        output.Column("MESSAGE", wraps=True),
    ]
    from ..client.view import seconds_between

    output.table(
        columns,
        (
            [
                str(line.number) + (f" (retry of {line.retry_of})" if line.retry_of else ""),
                line.status,
                line.reason or "",
                text.clock(line.started_at or line.created_at),
                text.duration(seconds_between(line.started_at, line.ended_at)),
                line.message,
            ]
            for line in seen.attempts
        ),
    )


def _ranks(seen: RunView, shows_all: bool) -> None:
    from . import output, text

    failed = [rank for rank in seen.ranks if rank.state == "exited" and not rank.success]
    if not seen.ranks or not (failed or shows_all or seen.status.value == "Running"):
        return
    output.heading("Ranks")
    columns = [
        output.Column("RANK", is_right=True),
        output.Column("NODE", is_right=True),
        output.Column("HOST"),
        output.Column("STATE"),
        output.Column("END"),
        output.Column("DURATION", is_right=True),
        output.Column("EXCEPTION", wraps=True),
    ]
    from ..client.view import seconds_between

    rows = []
    for rank in seen.ranks:
        end = rank.signal or ("" if rank.exit_code is None else f"exit {rank.exit_code}")
        if rank.stopped_by_us:
            end += " (stopped with the run)"
        if rank.oom:
            end += " (out of memory)"
        taken = text.duration(seconds_between(rank.started_at, rank.ended_at))
        rows.append(
            [str(rank.rank), str(rank.node), rank.host, rank.state, end.strip(), taken, rank.exception or ""]
        )
    output.table(columns, rows)


def _events(seen: RunView, shows_all: bool) -> None:
    from . import output, text

    if not seen.events:
        return
    output.heading("Events")
    shown = seen.events if shows_all else seen.events[-_EVENTS:]
    if len(shown) < len(seen.events):
        output.line(
            f"… {count(len(seen.events) - len(shown), 'earlier event')}; --all lists every event", "dim"
        )
    columns = [output.Column("TIME"), output.Column("EVENT"), output.Column("", wraps=True)]
    output.table(columns, ([text.clock(e.at), _EVENT_NAMES.get(e.kind, e.kind), _event(e)] for e in shown))


def _event(event: Event) -> str:
    """What happened, in words. How an attempt ended is told by its reason: the message is in the line before."""
    reason = str(event.data.get("reason") or "")
    if event.kind == "ended" and reason:
        return f"{reason}; it will be retried" if event.data.get("will_retry") else reason
    return event.message


def _outputs(seen: RunView, shows_all: bool) -> None:
    from . import output, text

    if not seen.outputs and not seen.skipped:
        return
    total = text.size(sum(file.size for file in seen.outputs))
    output.heading(f"Outputs: {count(len(seen.outputs), 'file')}, {total}")
    shown = seen.outputs if shows_all else seen.outputs[:_FILES]
    columns = [
        output.Column("PATH", wraps=True),
        output.Column("SIZE", is_right=True),
        output.Column("SHA256"),
    ]
    short = None if shows_all else 12
    output.table(columns, ([f.path, text.size(f.size), (f.sha256 or "")[:short]] for f in shown))
    if len(shown) < len(seen.outputs):
        output.line(f"… {len(seen.outputs) - len(shown)} more; --all lists every file", "dim")
    for path, why in seen.skipped.items():
        output.line(f"{path.removeprefix('../')} was not kept: it {why}", "yellow")


def _environment(seen: RunView, shows_all: bool) -> None:
    from . import output

    if not seen.packages and not seen.warnings:
        return
    more = "" if shows_all or not seen.packages else "; --all lists them"
    output.heading(f"Environment: {count(len(seen.packages), 'package')}{more}")
    for warning in seen.warnings:
        output.line(f"warning: {warning}", "yellow")
    if shows_all:
        output.indented("\n".join(seen.packages))


def _places(seen: RunView) -> None:
    from . import output

    output.heading("Places")
    output.fields(
        [
            ("Record", seen.record_location),
            ("Outputs", seen.outputs_location or ""),
            ("Logs", seen.logs_location or ""),
            ("MLflow", seen.mlflow or ""),
            ("Manifest", seen.manifest or ""),
            ("Source", seen.run.source_digest),
            ("Run key", seen.run.run_key),
            ("URN", seen.run.owner.get("urn", "")),
        ]
    )


def _script(spec: dict[str, object]) -> str:
    import shlex

    arguments = spec.get("arguments")
    words = [str(word) for word in arguments] if isinstance(arguments, list) else []
    if spec.get("command"):
        return " ".join([str(spec["command"]), shlex.join(words)]).strip()
    return shlex.join([str(spec["entryScript"]), *words]) if spec.get("entryScript") else ""
