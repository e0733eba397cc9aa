"""`pulumi-training mlflow`: MLflow's pages over a workspace's runs, until it is interrupted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Optional

import typer

from .exit import ExitCode, verb
from .options import StoreOption

if TYPE_CHECKING:
    from ..record.runs import UnreadableRun


@verb
def mlflow(
    store: StoreOption = None,
    workspace: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--workspace", "-w", metavar="NAME", help="A workspace seen on this machine."),
    ] = None,
    port: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--port", metavar="N", min=1, max=65535, help="The port; default: a free one."),
    ] = None,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Whether to open it in a browser.")
    ] = True,
    catch_up: Annotated[
        bool, typer.Option("--catch-up", help="Send MLflow what it missed, and exit; works for servers too.")
    ] = False,
) -> None:
    """Show a workspace's runs in MLflow's pages.

    Prints the address, and serves the pages until Ctrl-C. This is for workspaces with tracking=True; a tracking server
    shows its runs itself. With --catch-up nothing is shown: MLflow is sent what it missed of ended runs, including runs
    that were deleted there. A server that requires a login is used with MLFLOW_TRACKING_USERNAME and
    MLFLOW_TRACKING_PASSWORD, or with MLFLOW_TRACKING_TOKEN.
    """
    if catch_up:
        return _catch_up(store, workspace)
    from ..client.mlflow_ui import MlflowUI, tracked_place
    from . import output

    with MlflowUI(tracked_place(store, workspace), port) as pages:
        try:
            url = pages.start()
            output.line(url)
            output.note("MLflow's pages; Ctrl-C ends them")
            if browser:
                typer.launch(url)
            pages.wait()
        except KeyboardInterrupt:
            raise typer.Exit(ExitCode.OK) from None


def _passed_over(run: UnreadableRun) -> None:
    from . import output

    output.note(f"{run.run_id} is passed over: {run.message}")


def _catch_up(store: str | None, workspace: str | None) -> None:
    from ..client.places import places
    from ..driver.track import catch_up_now
    from ..record.record import Record
    from ..record.runs import runs
    from . import output

    is_behind = False
    found = [
        (summary.run.run_id, answer)
        for place in places(store, workspace).found
        for summary in runs(place.store, _passed_over)
        for answer in catch_up_now(Record(place.store, summary.run.run_id))
    ]
    for run_id, answer in found:
        is_behind |= answer.problem is not None
        output.line(f"{run_id} attempt {answer.attempt}: {answer.problem or 'MLflow has all of it'}")
    if not found:
        output.note("nothing to tell: MLflow knows of every ended run that is tracked")
    if is_behind:
        raise typer.Exit(ExitCode.FAILURE)
