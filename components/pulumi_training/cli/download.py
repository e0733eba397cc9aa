"""`pulumi-training download`: what a run made, in a folder."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from ..spec.text import count
from .exit import verb
from .options import AttemptOption, JsonOption, RunArgument, StoreOption

if TYPE_CHECKING:
    from ..client.download import Progress

_SAY_SECONDS = 10.0


@verb
def download(
    run: RunArgument,
    to: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--to", metavar="DIR", help="The folder to download to; default: ./<run id>."),
    ] = None,
    logs: Annotated[bool, typer.Option("--logs", help="Download the logs too.")] = False,
    path: Annotated[
        str, typer.Option("--path", metavar="PREFIX", help="Only outputs whose path begins with this.")
    ] = "",
    attempt: AttemptOption = None,
    store: StoreOption = None,
    json: JsonOption = False,
) -> None:
    """Download a run's outputs, checked against its manifest.

    Outputs go to DIR/outputs, and logs (with --logs) to DIR/logs. Files that are already there are kept, and an
    interrupted download continues where it stopped.
    """
    from ..client.download import DownloadFailed, not_kept, wanted
    from ..client.download import download as bring
    from ..client.view import view
    from . import output, text
    from .named import find_run

    found = find_run(run, store)
    seen = view(found, attempt)
    if seen.is_pruned and not seen.outputs_location:
        raise DownloadFailed(f"{found.run.run_id} was pruned: its record is still there, its files are not")
    if seen.document is None:
        raise DownloadFailed(f"{found.run.run_id} has no attempt yet")
    chosen = found.record.attempt(seen.document.attempt)
    files = wanted(chosen, logs=logs, prefix=path)
    for lost, target in not_kept(chosen).items():
        output.note(f"{lost} is not downloaded: it is a link to {target}, and its content was not kept")
    if path and not files:
        there = ", ".join(file.path for file in seen.outputs[:10]) or "no outputs"
        raise DownloadFailed(f"no file of {found.run.run_id} begins with {path!r}; there is: {there}")
    if seen.document.is_live:
        output.note(f"{found.run.run_id} is still {seen.status.value}: its files may not be complete")
    destination = (to or Path(found.run.run_id)).expanduser().absolute()
    with _progress() as progress:
        report = bring(chosen, files, destination, progress)
    if json:
        output.as_json({**report.__dict__, "paths": [str(destination / file.path) for file in files]})
        return
    if not files:
        output.note(f"{found.run.run_id} left no outputs" + ("" if logs else "; --logs downloads its logs"))
        return
    brought = f"{count(report.files, 'file')}, {text.size(report.bytes)}"
    notes = [f"{report.verified} verified" if report.verified else "not verified"]
    notes += [f"{report.kept} already there"] if report.kept else []
    output.line(f"{brought} in {destination} ({', '.join(notes)})")


@contextmanager
def _progress() -> Iterator[Progress]:
    """A bar on a terminal, a line now and then elsewhere; both on stderr."""
    if not sys.stderr.isatty():
        yield _lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    bar = Progress(
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _lines() -> Progress:
    said = time.monotonic()

    def tell(done: int, total: int) -> None:
        nonlocal said
        from . import output, text

        if time.monotonic() - said >= _SAY_SECONDS:
            said = time.monotonic()
            output.note(f"{text.size(done)} of {text.size(total)}")

    return tell
