"""Tables and fields: with colours on a terminal, as plain aligned columns anywhere else."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .text import safe

if TYPE_CHECKING:
    from rich.console import Console

_STYLES = {
    "Completed": "green",
    "Running": "cyan",
    "Finalizing": "cyan",
    "Preparing": "cyan",
    "Provisioning": "cyan",
    "Queued": "yellow",
    "CancelRequested": "yellow",
    "NotResponding": "yellow",
    "Failed": "red",
    "Canceled": "magenta",
    "ok": "green",
    "info": "blue",
    "warn": "yellow",
    "fail": "red",
}


@dataclass(frozen=True)
class Column:
    """A column: its heading, whether it is a number, and whether a narrow terminal may cut or wrap it."""

    heading: str
    is_right: bool = False
    gives_way: bool = False
    wraps: bool = False


def is_terminal() -> bool:
    """Whether a person reads stdout on a terminal that can do more than print."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def console() -> Console:
    """A console on stdout that interprets no markup: what is printed came from others."""
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False)


def table(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> None:
    """Prints rows under headings. Piped, no cell is cut, and columns are two blanks apart."""
    clean = [[safe(cell) for cell in row] for row in rows]
    if is_terminal():
        _rich_table(columns, clean)
        return
    headings = [column.heading for column in columns]
    widths = [max(len(row[i]) for row in [headings, *clean]) for i in range(len(columns))]
    for row in [headings, *clean]:
        cells = [
            cell.rjust(width) if column.is_right else cell.ljust(width)
            for cell, width, column in zip(row, widths, columns, strict=True)
        ]
        print("  ".join(cells).rstrip())


def fields(pairs: Iterable[tuple[str, str]]) -> None:
    """Prints names and values under each other; an empty value is left out."""
    kept = [(name, safe(value)) for name, value in pairs if value]
    width = max((len(name) for name, _ in kept), default=0)
    if is_terminal():
        from rich.table import Table
        from rich.text import Text

        grid = Table.grid(padding=(0, 2))
        grid.add_column(no_wrap=True, style="dim")
        grid.add_column(overflow="fold")
        for name, value in kept:
            grid.add_row(name, Text(value, style=_style(value)))
        console().print(grid)
        return
    for name, value in kept:
        print(f"{name.ljust(width)}  {value}")


def heading(words: str) -> None:
    """A line above a block, after an empty one."""
    if is_terminal():
        from rich.text import Text

        console().print(Text(f"\n{safe(words)}", style="bold"))
        return
    print(f"\n{safe(words)}")


def line(words: str = "", style: str = "") -> None:
    """One line, made harmless; `style` is for terminals."""
    if style and is_terminal():
        from rich.text import Text

        console().print(Text(safe(words), style=style), soft_wrap=True)
        return
    print(safe(words))


def indented(text: str, by: str = "  ") -> None:
    """Lines of a text, each made harmless and indented, never wrapped."""
    for words in text.splitlines():
        print(f"{by}{safe(words)}")


def note(words: str) -> None:
    """A line for a person on stderr, so that stdout stays what was asked for."""
    print(safe(words), file=sys.stderr)


def as_json(value: Any) -> None:
    """Prints a JSON value, indented."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def _rich_table(columns: Sequence[Column], rows: list[list[str]]) -> None:
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        shown.add_column(
            column.heading,
            justify="right" if column.is_right else "left",
            no_wrap=not column.wraps,
            overflow="fold" if column.wraps else "ellipsis",
            min_width=None if column.gives_way or column.wraps else _width(column, rows, columns),
        )
    for row in rows:
        shown.add_row(*(Text(cell, style=_style(cell)) for cell in row))
    console().print(shown)


def _width(column: Column, rows: list[list[str]], columns: Sequence[Column]) -> int:
    place = list(columns).index(column)
    return max([len(column.heading), *(len(row[place]) for row in rows)])


def _style(cell: str) -> str:
    return _STYLES.get(cell.split(" ")[0], "")
