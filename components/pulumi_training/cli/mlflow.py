"""`pulumi-training mlflow`: MLflow's pages over a workspace's runs, until it is interrupted."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from .exit import ExitCode, verb
from .options import StoreOption


@verb
def mlflow(
    store: StoreOption = None,
    workspace: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--workspace", "-w", metavar="NAME", help="The workspace seen on this machine."),
    ] = None,
    port: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--port", metavar="N", min=1, max=65535, help="The port; else a free one."),
    ] = None,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Whether to open it in a browser.")
    ] = True,
) -> None:
    """Show a workspace's runs in MLflow's pages, until Ctrl-C. Prints the address.

    For workspaces with tracking=True; a tracking server shows its runs itself.
    """
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
