"""`pulumi-training tensorboard`: the curves of runs in TensorBoard, until it is interrupted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from .exit import ExitCode, verb
from .options import StoreOption


@verb
def tensorboard(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN...", help="Run ids or their beginnings, or jobs' names (the newest run)."
        ),
    ],
    port: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(
            "--port", metavar="N", min=0, max=65535, help="The port; default: 6006, or the next free one."
        ),
    ] = None,
    local_root: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--local-root", metavar="FOLDER", help="Keep what is shown in this folder."),
    ] = None,
    browser: Annotated[bool, typer.Option("--browser", help="Open it in a browser.")] = False,
    store: StoreOption = None,
) -> None:
    """Show the curves of runs in TensorBoard, live.

    Prints the page's address, and serves the runs' event files and metrics until Ctrl-C.
    """
    from ..client.board import Tensorboard
    from ..client.run import Run
    from . import output
    from .named import find_run

    board = Tensorboard([Run(find_run(run, store).record) for run in runs], local_root, port)
    try:
        output.line(board.start(start_browser=browser))
        output.note(f"TensorBoard of {', '.join(run.id for run in board.runs)}; Ctrl-C ends it")
        board.wait()
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.OK) from None
    finally:
        board.stop()
