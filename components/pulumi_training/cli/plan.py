"""`pulumi-training plan`: what would be sent, or was, to the letter."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from ..spec.text import count, topology
from .exit import verb
from .options import JsonOption, StoreOption

if TYPE_CHECKING:
    from ..client.plans import KeptPlan


_LIMITS = {
    "run_seconds": "Run time",
    "stall_seconds": "Time without progress",
    "grace_seconds": "Grace period",
    "start_seconds": "Time to start",
}


@verb
def plan(
    run: Annotated[
        Optional[str],  # noqa: UP045
        typer.Argument(metavar="[RUN|JOB]", help="A run id, its beginning, or a job's name."),
    ] = None,
    store: StoreOption = None,
    all_: Annotated[
        bool, typer.Option("--all", help="List plans of every project, not only this folder's.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Print a job's exact request, as its last preview made it.

    Without a name, the plans of this folder's project are listed, the newest first. A run that was never previewed here
    shows the plan that its record keeps. Parts in angle brackets are known after preparation; values of secret
    environment variables are in no plan.
    """
    from ..client.here import here
    from ..client.plans import find_plan, is_of_project, plans
    from ..spec.times import iso
    from . import output

    if run is not None:
        kept = find_plan(run, store)
        if kept.note:
            output.note(kept.note)
        if json:
            output.as_json(kept.to_json())
        else:
            _show(kept)
        return
    every, folder = plans(), here()
    found = [p for p in every if all_ or not folder.project or is_of_project(p, folder)]
    if json:
        output.as_json(
            [
                {"run_id": p.run_id, "job": p.job, "urn": p.urn, "store": p.store, "made_at": iso(p.made_at)}
                for p in found
            ]
        )
    elif found:
        _list(found)
    else:
        output.note("no preview has made a plan here yet; `pulumi preview` makes one")
    if len(every) > len(found):
        output.note(f"{count(len(every) - len(found), 'plan')} of other projects; --all lists every plan")


def _list(found: list[KeptPlan]) -> None:
    from . import output, text

    columns = [
        output.Column("RUN"),
        output.Column("JOB"),
        output.Column("MADE"),
        output.Column("TARGET"),
        output.Column("RANKS", is_right=True),
        output.Column("STORE", wraps=True),
    ]
    output.table(
        columns,
        (
            [p.run_id, p.job, text.ago(p.made_at), str(p.plan.get("target", "")), str(_ranks(p)), p.store]
            for p in found
        ),
    )


def _show(kept: KeptPlan) -> None:
    from . import output, text

    request = kept.request
    origin = "the record of the run" if kept.is_from_record else "the last preview"
    output.fields(
        [
            ("Run", f"{kept.run_id}, attempt {kept.plan.get('attempt', '?')}"),
            ("URN", kept.urn),
            ("Plan from", f"{origin}, {text.clock(kept.made_at)} ({text.ago(kept.made_at)})"),
            ("Store", kept.store),
            ("Target", str(kept.plan.get("target", ""))),
            ("Slots", str(kept.plan.get("slots", ""))),
            ("GPUs", str(kept.plan.get("gpus") or "")),
            (
                "Topology",
                topology(request.get("node_count", 1), request.get("process_count_per_node", 1)),
            ),
            ("Folder", str(request.get("folder", ""))),
            ("Working directory", str(request.get("cwd", ""))),
        ]
    )
    output.heading("Launcher")
    launcher = request.get("launcher")
    output.indented(_line(launcher) if launcher else "none: one process, started directly")
    output.heading("Program of each rank")
    output.indented(_line(request.get("script") or []))
    output.heading("Environment")
    environment = {**(request.get("environment") or {})}
    environment.update(dict.fromkeys(request.get("secret_names") or [], "[secret]"))
    output.fields((name, str(value) or "''") for name, value in sorted(environment.items()))
    output.heading("Limits")
    output.fields((_limit(name), _seconds(value)) for name, value in (request.get("limits") or {}).items())


def _line(words: list[Any]) -> str:
    return " ".join(w if w.startswith("<") and w.endswith(">") else shlex.quote(w) for w in map(str, words))


def _limit(name: str) -> str:
    return _LIMITS.get(name) or name.removesuffix("_seconds").replace("_", " ").capitalize()


def _seconds(value: Any) -> str:
    return "none" if value is None else f"{float(value):g} s"


def _ranks(kept: KeptPlan) -> int:
    return int(kept.request.get("node_count", 1)) * int(kept.request.get("process_count_per_node", 1))
