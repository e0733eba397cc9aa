"""Two checkouts, measured in turns on one machine: the same benchmarks, each with its own code and requirements."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from .bench import CHECKOUT, MEASURED
from .figure import Unit
from .table import WIDTH, amount, machine

BOUND = 1.08
"""What a time may be of the other checkout's, by the median of the ratios."""


@dataclass(frozen=True)
class Compared:
    """A time of ours and of the other checkout, in pairs. `trouble` says why there is none."""

    name: str
    ours: Sequence[float]
    theirs: Sequence[float]
    trouble: str = ""

    @property
    def ratios(self) -> list[float]:
        """Ours by theirs, pair by pair, ascending."""
        return sorted(a / b for a, b in zip(self.ours, self.theirs, strict=True))

    @property
    def is_within(self) -> bool:
        """Whether the median of the ratios is within the bound."""
        return not self.trouble and statistics.median(self.ratios) <= BOUND


def compare(other: Path, names: Sequence[str], pairs: int, document: Path | None = None) -> int:
    """Prints the table; 0 where every time is within the bound."""
    other = other.resolve()
    python = prepared(other)
    found: list[Compared] = []
    with ExitStack() as sides:
        ours = sides.enter_context(side(Path(sys.executable), CHECKOUT, names, pairs))
        theirs = sides.enter_context(side(python, other, names, pairs))
        for name in names:
            print(f"  {name} ...", file=sys.stderr, flush=True)
            found += paired(name, *in_turns(ours, theirs))
    _show(found, other)
    if document is not None:
        document.write_text(json.dumps([asdict(each) for each in found], indent=1) + "\n")
    return 0 if all(each.is_within for each in found) else 1


def prepared(checkout: Path) -> Path:
    """The interpreter of a checkout's own virtual environment, which is made, or made anew, by its own Makefile."""
    subprocess.run(
        ["make", "--no-print-directory", ".venv/.dev"], cwd=checkout, check=True, stdout=sys.stderr
    )
    return checkout / ".venv" / "bin" / "python"


class Side:
    """One checkout's process. It works between `go_on` and its answer, and waits else."""

    def __init__(self, python: Path, checkout: Path, names: Sequence[str], pairs: int) -> None:
        self.process = subprocess.Popen(
            [str(python), "-m", "benchmarks.turns", str(pairs), *names],
            cwd=CHECKOUT,
            env={**os.environ, MEASURED: str(checkout)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.hear()

    def go_on(self) -> None:
        """Lets it do what comes next."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def hear(self) -> list[dict[str, Any]] | None:
        """Waits for it: the figures of a benchmark that has ended, None before. Raises RuntimeError where it is gone."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"a process that measures ended with {self.process.wait()}")
        figures: list[dict[str, Any]] | None = json.loads(line).get("figures")
        return figures


@contextmanager
def side(python: Path, checkout: Path, names: Sequence[str], pairs: int) -> Iterator[Side]:
    """A process that measures a checkout; it is ended, and what it started."""
    made = Side(python, checkout, names, pairs)
    try:
        yield made
    finally:
        assert made.process.stdin is not None
        made.process.stdin.close()
        made.process.wait(60)


def in_turns(ours: Side, theirs: Side) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The figures of one benchmark on both sides: each round of one is followed by that of the other.

    Every other round goes backwards, so that none always profits from what the one before left warm.
    """
    found: dict[Side, list[dict[str, Any]]] = {}
    order = [ours, theirs]
    while len(found) < 2:
        for each in [each for each in order if each not in found]:
            each.go_on()
            figures = each.hear()
            if figures is not None:
                found[each] = figures
        order.reverse()
    return found[ours], found[theirs]


def paired(name: str, ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> list[Compared]:
    """The times that both have, by name; one that failed on a side is said so."""
    others = {each["name"]: each for each in theirs}
    found: dict[str, Compared] = {}
    for each in ours:
        other = others.get(each["name"])
        if each["trouble"] or other is None or other["trouble"]:
            words = each["trouble"] or (other or {}).get("trouble") or "the other checkout has no such figure"
            found[each["name"]] = Compared(name, (), (), words)
        elif each["unit"] == Unit.SECONDS.value and len(each["values"]) == len(other["values"]):
            found[each["name"]] = Compared(each["name"], each["values"], other["values"])
    return list(found.values())


def _show(found: Sequence[Compared], other: Path) -> None:
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    table = Table(title=machine().partition(";")[0], title_justify="left", title_style="")
    table.add_column("time")
    for name in ("ours", other.name, "median of ratios", "quarters", "least-greatest"):
        table.add_column(name, justify="right")
    table.add_column("")
    for each in found:
        table.add_row(*_cells(each))
    console.print(table)


def _cells(each: Compared) -> tuple[str, ...]:
    if each.trouble:
        return each.name, each.trouble, "", "", "", "", "failed"
    ratios = each.ratios
    low, _, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    return (
        f"{each.name} ({len(ratios)})",
        amount(statistics.median(each.ours), Unit.SECONDS),
        amount(statistics.median(each.theirs), Unit.SECONDS),
        f"{statistics.median(ratios):.3f}",
        f"{low:.2f}-{high:.2f}",
        f"{ratios[0]:.2f}-{ratios[-1]:.2f}",
        "ok" if each.is_within else "over",
    )
