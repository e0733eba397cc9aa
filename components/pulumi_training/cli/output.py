"""Tables and fields: with colours on a terminal, as plain aligned columns anywhere else."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..spec.text import safe

if TYPE_CHECKING:
    from rich.console import Console

_GAP = 2
_SQUEEZED = 16
"""Columns that may be cut or wrapped keep so many characters at least."""
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
    """A column: its heading, whether it is a number, and what happens to it on a narrow terminal.

    One that `wraps` takes more lines; the higher `gives_way`, the sooner it is left out; 0 always stays.
    """

    heading: str
    is_right: bool = False
    gives_way: int = 0
    wraps: bool = False


def is_terminal() -> bool:
    """Whether a person reads stdout on a terminal that can do more than print."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def console() -> Console:
    """A console on stdout that interprets no markup: what is printed came from others."""
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False)


def table(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> None:
    """Prints rows under headings. Piped, no cell is cut, and columns are two blanks apart.

    A terminal is spared columns without content; piped, they stay.
    """
    clean = [[safe(cell) for cell in row] for row in rows]
    if is_terminal():
        kept = [i for i in range(len(columns)) if not clean or any(row[i] for row in clean)]
        _rich_table([columns[i] for i in kept], [[row[i] for i in kept] for row in clean])
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
        from rich.text import Text

        out = console()
        for name, value in kept:
            # Not a grid: a long path must stay one word for whoever copies it.
            words = Text.assemble((name.ljust(width), "dim"), "  ", (value, _style(value)))
            out.print(words, soft_wrap=True)
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


def as_json(value: object) -> None:
    """Prints a JSON value, indented."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def _rich_table(columns: Sequence[Column], rows: list[list[str]]) -> None:
    from rich.table import Table
    from rich.text import Text

    out = console()
    kept = _fitting(columns, rows, out.width)
    shown = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    for place in kept:
        column = columns[place]
        shown.add_column(
            column.heading,
            justify="right" if column.is_right else "left",
            no_wrap=not column.wraps,
            overflow="fold" if column.wraps else "ellipsis",
            min_width=_needed(column, place, rows),
        )
    for row in rows:
        shown.add_row(*(Text(row[place], style=_style(row[place])) for place in kept))
    out.print(shown)


def _fitting(columns: Sequence[Column], rows: list[list[str]], width: int) -> list[int]:
    """The columns that there is room for, those that give way first left out first."""
    kept = list(range(len(columns)))
    while sum(_needed(columns[i], i, rows) + _GAP for i in kept) - _GAP > width:
        place = max(kept, key=lambda i: columns[i].gives_way)
        if not columns[place].gives_way:
            break
        kept.remove(place)
    return kept


def _needed(column: Column, place: int, rows: list[list[str]]) -> int:
    width = max([len(column.heading), *(len(row[place]) for row in rows)])
    return min(width, _SQUEEZED) if column.gives_way or column.wraps else width


def _style(cell: str) -> str:
    return _STYLES.get(cell.split(" ")[0], "")
