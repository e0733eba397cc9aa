"""The one table, and the same as JSON."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from .figure import Figure, Kind, Unit

WIDTH = 150
"""Columns where the output is no terminal: nothing may be cut out of a file."""


def show(figures: Sequence[Figure], console: Console | None = None) -> None:
    """Prints the table: medians, with the least and the greatest in brackets."""
    console = console or Console()
    if not console.is_terminal:
        console = Console(width=WIDTH, file=console.file)
    table = Table(title=machine(), title_justify="left", title_style="")
    table.add_column("figure")
    for name in ("ours", "floor or peer", "ratio", "bound"):
        table.add_column(name, justify="right")
    table.add_column("")
    for figure in figures:
        table.add_row(*cells(figure)[:-1], _verdict(figure))
    console.print(table)


def cells(figure: Figure) -> tuple[str, str, str, str, str, str]:
    """The texts of a figure's row."""
    if figure.trouble:
        return figure.name, figure.trouble, "", "", "", "failed"
    peer = f"{amount(statistics.median(figure.peer), figure.unit)} {figure.peer_name}" if figure.peer else ""
    low, high = figure.spread
    compared = ""
    ours = amount(statistics.median(figure.ours), figure.unit)
    if figure.bound.kind is Kind.MOST:
        ours += _range(amount(low, figure.unit), amount(high, figure.unit), len(figure.ours))
    elif figure.bound.kind is Kind.OVER:
        compared = f"+{amount(figure.value, figure.unit)}" + _range(
            amount(low, figure.unit), amount(high, figure.unit), len(figure.ours)
        )
    else:
        compared = f"{figure.value:.2f}" + _range(f"{low:.2f}", f"{high:.2f}", len(figure.ours))
    return figure.name, ours, peer.strip(), compared, bound(figure), verdict(figure)


def bound(figure: Figure) -> str:
    """The bound in words."""
    limit = figure.bound.limit
    if limit is None:
        return ""
    if figure.bound.kind is Kind.RATIO:
        return f"≤ {limit:g} x"
    sign = "+" if figure.bound.kind is Kind.OVER else ""
    return f"≤ {sign}{limit:g} {figure.unit.value}"


def verdict(figure: Figure) -> str:
    """`ok`, `over`, or nothing where there is no bound."""
    return {True: "ok", False: "over", None: ""}[figure.is_within]


def amount(value: float, unit: Unit) -> str:
    """A number with its unit, short."""
    if unit is Unit.BYTES:
        return f"{value:.0f} bytes"
    if unit is Unit.MEGABYTES:
        return f"{value:.1f} MB"
    if abs(value) < 0.1:
        return f"{value * 1000:.1f} ms" if abs(value) >= 0.001 else f"{value * 1e6:.0f} µs"
    return f"{value:.2f} s"


def write_json(figures: Sequence[Figure], path: Path) -> None:
    """Writes every measurement to a file."""
    document = {"machine": machine(), "figures": [figure.to_json() for figure in figures]}
    path.write_text(json.dumps(document, indent=1) + "\n")


def machine() -> str:
    """What it was measured on, and how busy that was."""
    load = "/".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"load {load}; medians of interleaved pairs (least-greatest)"
    )


def _range(low: str, high: str, count: int) -> str:
    return f" ({low}-{high})" if count > 1 else ""


def _verdict(figure: Figure) -> Text:
    words = cells(figure)[-1]
    return Text(words, style={"ok": "green", "over": "bold red", "failed": "bold red"}.get(words, ""))
