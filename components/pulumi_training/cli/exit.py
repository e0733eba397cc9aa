"""Exit codes, and the one place where errors become words on stderr."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from enum import IntEnum
from typing import ParamSpec, TypeVar

import typer

from ..spec.errors import TrainingError

_LINE = 500
P = ParamSpec("P")
R = TypeVar("R")


class ExitCode(IntEnum):
    """What a shell gets. 2 is given by typer for a wrong command line."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    NOT_FOUND = 3
    INTERRUPTED = 130
    BROKEN_PIPE = 141


def verb(function: Callable[P, R]) -> Callable[P, R]:
    """Lets a verb raise `TrainingError`, be interrupted or lose its reader without a traceback."""

    @functools.wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            result = function(*args, **kwargs)
            sys.stdout.flush()
            return result
        except TrainingError as error:
            _say(error)
            raise typer.Exit(_code_of(error)) from None
        except (KeyboardInterrupt, typer.Abort):
            raise typer.Exit(ExitCode.INTERRUPTED) from None
        except BrokenPipeError:
            _silence_stdout()
            raise typer.Exit(ExitCode.BROKEN_PIPE) from None

    return guarded


def unexpected(error: Exception) -> ExitCode:
    """Says in one line what nobody foresaw, and which file has its traceback.

    What the system refuses is the user's to know, and gets the file as well: where it happened tells which path it was.
    """
    import traceback

    from ..provider import logfile

    lines = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    file = logfile.append(f"{' '.join(sys.argv)}\n{lines}", "cli")
    words = " ".join(f"{type(error).__name__}: {error}".split())[:_LINE]
    where = f" The traceback is in {file}." if file else ""
    kind = "the system refused" if isinstance(error, OSError) else "unexpected error"
    from ..spec.text import safe

    print(f"pulumi-training: {kind}: {safe(words).rstrip('.')}.{where}", file=sys.stderr)
    return ExitCode.FAILURE


def usage_error(message: str) -> typer.Exit:
    """Says what is wrong with the command line; to be raised."""
    print(f"pulumi-training: {message}", file=sys.stderr)
    return typer.Exit(ExitCode.USAGE)


def _code_of(error: TrainingError) -> ExitCode:
    from ..client.find import RunNotFound
    from ..record.store import NotFound

    return ExitCode.NOT_FOUND if isinstance(error, (RunNotFound, NotFound)) else ExitCode.FAILURE


def _say(error: TrainingError) -> None:
    from ..spec.text import safe

    words = "\n".join(safe(line) for line in str(error).splitlines())
    print(f"pulumi-training: {words}", file=sys.stderr)


def _silence_stdout() -> None:
    """What is still buffered for a reader that is gone must not be written at exit."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        return  # not a file: nothing is written at exit either
