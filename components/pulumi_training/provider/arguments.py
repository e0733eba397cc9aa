"""The plugin's command line, as the engine writes it: `[--logtostderr] [-v=9] [--tracing X] [ADDRESS]`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

WITH_VALUE: Final = frozenset({"tracing", "v", "vmodule", "stderrthreshold", "log_dir", "log_backtrace_at"})
"""Options of the engine whose value may be the next argument."""


@dataclass(frozen=True)
class Arguments:
    """What of the command line matters. `engine_address` is None when started without an engine."""

    engine_address: str | None = None
    shows_version: bool = False


def parse(argv: Sequence[str]) -> Arguments:
    """Reads the arguments after the program's name; options that are not known are skipped."""
    address: str | None = None
    shows_version = False
    left = list(argv)
    while left:
        argument = left.pop(0)
        if not argument.startswith("-"):
            address = argument
        elif argument == "--version":
            shows_version = True
        elif "=" not in argument and argument.lstrip("-") in WITH_VALUE and left:
            left.pop(0)
    return Arguments(address, shows_version)
