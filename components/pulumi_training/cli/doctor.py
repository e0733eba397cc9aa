"""`pulumi-training doctor`: what this machine can run, what is missing, and what installs it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import typer

from .exit import ExitCode, verb
from .options import JsonOption

if TYPE_CHECKING:
    from ..targets.contract.check import Check


@verb
def doctor(json: JsonOption = False) -> None:
    """Check what training on this machine needs.

    The exit code is 1 if something that it cannot do without is missing; warnings do not count.
    """
    from ..spec.text import count
    from ..targets.contract.check import State
    from . import output

    found = examine()
    failed = [check for check in found if check.state is State.FAIL]
    if json:
        output.as_json([{**check.__dict__, "state": check.state.value} for check in found])
    else:
        _print(found)
        warned = sum(check.state is State.WARN for check in found)
        words = f"{len(failed)} missing" if failed else "ready to train here"
        words += f", {count(warned, 'warning')}" if warned else ""
        output.line(words, "bold")
    if failed:
        raise typer.Exit(ExitCode.FAILURE)


def examine() -> list[Check]:
    """Every check, side by side; one that breaks says so and stops none of the others."""
    from concurrent.futures import ThreadPoolExecutor

    from .checks import engine, leftovers, software, stores, system, targets

    looks: list[Callable[[], list[Check]]] = [
        system.system,
        system.python,
        engine.pulumi,
        engine.plugin,
        software.software,
        system.machine,
        system.folders,
        *targets.own(),
        targets.of_other_packages,
        leftovers.runs,
        leftovers.orphans,
        leftovers.locks,
        stores.copies,
    ]
    with ThreadPoolExecutor(len(looks)) as pool:
        return [check for checks in pool.map(_guarded, looks) for check in checks]


def _guarded(look: Callable[[], list[Check]]) -> list[Check]:
    from ..spec.errors import TrainingError
    from ..targets.contract.check import Check, State

    try:
        return look()
    except (TrainingError, OSError) as error:
        return [Check(look.__name__, State.WARN, f"could not be looked at: {error}")]


def _print(found: list[Check]) -> None:
    from . import output

    columns = [output.Column(""), output.Column("CHECK"), output.Column("FOUND", wraps=True)]
    rows: list[list[str]] = []
    for check in found:
        rows.append([check.state.value, check.name, check.message])
        if check.remedy:
            rows.append(["", "", f"→ {check.remedy}"])
    output.table(columns, rows)
