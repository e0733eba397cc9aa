"""`pulumi-training logs`: what ranks wrote, as it is or as it comes."""

from __future__ import annotations

import codecs
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from .exit import verb
from .options import AttemptOption, RunArgument, StoreOption

if TYPE_CHECKING:
    from ..client.follow import Turn
    from ..record.attempt import Attempt
    from ..record.documents import RunDocument
    from ..record.logs import LogLine


@verb
def logs(
    run: RunArgument,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Follow until the run has ended, retries included.")
    ] = False,
    rank: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--rank", metavar="N", min=0, help="Only this rank's log, byte for byte."),
    ] = None,
    attempt: AttemptOption = None,
    tail: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--tail", metavar="N", min=0, help="Start with the last N lines of each rank."),
    ] = None,
    store: StoreOption = None,
) -> None:
    """Print what a run's ranks wrote to standard output and error.

    One rank's log is printed as it is; with several, each line begins with `rank N |`. On a terminal, escape sequences
    (colours too) are removed; piped, nothing is changed.
    """
    from ..client.follow import Following, chunks, lines
    from ..record.logs import ranks
    from ..record.store import NotFound
    from . import output
    from .named import find_run

    found = find_run(run, store)
    newest = found.record.newest()
    number = attempt or (newest.number if newest else 0)
    chosen = found.record.attempt(number)
    if number == 0 or not chosen.exists():
        wanted = f"attempt {number} of {found.run.run_id}" if number else f"an attempt of {found.run.run_id}"
        raise NotFound(wanted, found.record.store.display)
    following = Following(tell=output.note) if follow else None
    single = rank if rank is not None else (0 if _world_size(found.run) == 1 else None)
    if single is not None:
        count = _print_bytes(chunks(found.record, number, single, tail=tail, following=following))
    else:
        width = len(str(max([_world_size(found.run) - 1, *ranks(chosen)])))
        count = _print_lines(lines(found.record, number, tail=tail, following=following), width)
    if not count and tail != 0:
        output.note(_why_empty(chosen, rank))


def _print_bytes(pieces: Iterator[bytes | Turn]) -> int:
    from ..spec.text import safe_log

    is_terminal = sys.stdout.isatty()
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    count = 0
    for piece in pieces:
        if not isinstance(piece, bytes):
            _announce(piece)
            continue
        count += len(piece)
        if is_terminal:
            sys.stdout.write(safe_log(decoder.decode(piece)))
        else:
            sys.stdout.buffer.write(piece)
        sys.stdout.flush()
    return count


def _print_lines(found: Iterator[LogLine | Turn], width: int) -> int:
    from ..client.follow import Turn
    from ..spec.text import last_redraw, safe_log

    is_terminal = sys.stdout.isatty()
    count = 0
    for line in found:
        if isinstance(line, Turn):
            _announce(line)
            continue
        count += 1
        text = safe_log(last_redraw(line.text)) if is_terminal else line.text
        sys.stdout.write(f"rank {line.rank:>{width}} | {text}\n")
    return count


def _announce(turn: Turn) -> None:
    from . import output

    outcome = turn.before.outcome
    why = f" ({outcome.reason.value})" if outcome else ""
    sys.stdout.flush()
    output.note(
        f"--- attempt {turn.before.attempt} ended as {turn.before.status.value}{why}; attempt {turn.attempt} ---"
    )


def _why_empty(attempt: Attempt, rank: int | None) -> str:
    from ..record.logs import ranks

    document = attempt.document()
    there = ranks(attempt)
    if rank is not None and there and rank not in there:
        return f"rank {rank} has no log; there are logs of {', '.join(map(str, there))}"
    words = f"no rank of attempt {attempt.number} of {attempt.run_id} has written anything"
    if document.outcome is not None:
        return f"{words}; it ended as {document.status.value} ({document.outcome.reason.value}): " + (
            document.outcome.message or "see `pulumi-training runs show`"
        )
    return f"{words} yet; it is {document.status.value}"


def _world_size(run: RunDocument) -> int:
    return run.job.world_size
