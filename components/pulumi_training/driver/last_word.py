"""Why a supervisor ended before its run did: the last line of its log, which lies beside the attempt."""

from __future__ import annotations

from ..record.record import Record

LAST_WORD = "gave up: "
"""How that line begins."""


def last_word(record: Record, attempt: int) -> str:
    """Why the last supervisor of an attempt gave up; empty where it did not say. A traceback stays in its log."""
    chosen = record.attempt(attempt)
    path = chosen.folder / "launch" / "supervisor.log"
    lines = (chosen.read_staged("launch/supervisor.log") or b"").decode(errors="replace").splitlines()
    last = next((line for line in reversed(lines) if line.strip()), "")
    return last.removeprefix(LAST_WORD) if last.startswith(LAST_WORD) else last and f"{last} (see {path})"
