"""What ranks wrote to their standard output and error: read by byte cursors, from the folder or the store."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .attempt import Attempt
from .store import NotFound

CHUNK = 256 * 1024
_RANK = re.compile(r"^rank-(\d+)\.log$")


class LogLine(NamedTuple):
    """A line of a rank, without its end."""

    rank: int
    text: str


def ranks(attempt: Attempt) -> list[int]:
    """The ranks that have a log, ascending."""
    names = set(attempt.store.children(f"{attempt.prefix}/logs/std"))
    staged = attempt.folder / "logs" / "std"
    if staged.is_dir():
        names.update(path.name for path in staged.iterdir())
    return sorted(int(match.group(1)) for match in map(_RANK.match, names) if match)


def read_log(attempt: Attempt, rank: int, start_byte: int = 0, *, limit: int = CHUNK) -> tuple[bytes, int]:
    """At most `limit` bytes of a rank's log from `start_byte`, and the byte to go on from.

    Empty at the end, and while there is no log yet.
    """
    data = attempt.read_staged(_name(rank), start_byte, limit)
    try:
        if data is None:
            data = attempt.store.read(f"{attempt.prefix}/{_name(rank)}", start_byte, limit)
    except NotFound:
        return b"", start_byte
    return data, start_byte + len(data)


def size(attempt: Attempt, rank: int) -> int:
    """Bytes in a rank's log; 0 while there is none."""
    staged = attempt.staged_size(_name(rank))
    try:
        return attempt.store.size(f"{attempt.prefix}/{_name(rank)}") if staged is None else staged
    except NotFound:
        return 0


def tail(attempt: Attempt, rank: int, lines: int = 20, *, max_bytes: int = 4096) -> str:
    """The last `lines` lines of a rank's log, at most `max_bytes` of them, read from its end."""
    start, data = size(attempt, rank), b""
    first = max(0, start - max_bytes)
    while start > first and data.count(b"\n") <= lines:
        step = min(CHUNK, start - first)
        start -= step
        data = read_log(attempt, rank, start, limit=step)[0] + data
    kept = data.splitlines(keepends=True)[-lines:] if lines > 0 else []
    return b"".join(kept).decode("utf-8", "replace")


def new_lines(attempt: Attempt, cursors: dict[int, int], *, ended: bool = False) -> Iterator[LogLine]:
    """The lines that ranks wrote since `cursors` (rank -> byte), which is brought up to date in place.

    Ranks take turns by chunk, so a chatty one does not hold the others up. A line still being written stays
    for the next call, unless the attempt has `ended` or the line is longer than a chunk.
    """
    open_ranks = ranks(attempt)
    while open_ranks:
        for rank in list(open_ranks):
            data, _ = read_log(attempt, rank, cursors.get(rank, 0))
            end = data.rfind(b"\n") + 1
            if not end and data and (ended or len(data) >= CHUNK):
                end = len(data)
            if not end:
                open_ranks.remove(rank)
                continue
            yield from _lines(rank, data[:end], cursors)


def interleave(lines: Iterable[LogLine], *, world_size: int) -> Iterator[str]:
    """Lines for display, each with its rank in front where there is more than one."""
    width = len(str(max(world_size - 1, 0)))
    for line in lines:
        yield line.text if world_size <= 1 else f"[{line.rank:>{width}}] {line.text}"


def _lines(rank: int, data: bytes, cursors: dict[int, int]) -> Iterator[LogLine]:
    place = cursors.get(rank, 0)
    for line in re.findall(rb"[^\n]*\n|[^\n]+", data):
        place += len(line)
        cursors[rank] = place
        yield LogLine(rank, line.rstrip(b"\r\n").decode("utf-8", "replace"))


def _name(rank: int) -> str:
    return f"logs/std/rank-{rank}.log"
