"""Options that several verbs share."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

RunArgument = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="A run id or its beginning, or a job's name: its newest run in this project and stack.",
    ),
]
StoreOption = Annotated[
    Optional[str],  # noqa: UP045 - typer before 0.12.4 reads no `|`
    typer.Option("--store", metavar="URL", help="Look in this store (a folder or a URL) and nowhere else."),
]
AttemptOption = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option("--attempt", metavar="N", min=1, help="An older attempt instead of the newest."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
