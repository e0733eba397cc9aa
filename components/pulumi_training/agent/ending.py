"""Why a script ended, as far as its own traces tell: exception line and signal name."""

from __future__ import annotations

import re

from .facts import read_tail

LOG_BYTES = 65536
_TRACEBACK = re.compile(r"^[ +|]*(?:Exception Group )?Traceback \(most recent call last\):")
_EXCEPTION = re.compile(r"^(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt|Exit|Warning)(?::.*)?$")


def signal_name(number: int) -> str:
    """`SIGKILL` for 9; `SIG40` where the platform has no name."""
    import signal

    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"


def exception_line(log: str) -> str | None:
    """The last Python exception in the end of a log (`ValueError: x`), without its traceback."""
    return find_exception(read_tail(log, LOG_BYTES).decode("utf-8", "replace"))


def find_exception(text: str) -> str | None:
    """The exception line of the last traceback in `text`, at most 1 KiB of it."""
    lines = text.splitlines()
    starts = [index for index, line in enumerate(lines) if _TRACEBACK.match(line)]
    if starts:
        for line in lines[starts[-1] + 1 :]:
            if line[:1] not in (" ", "\t", "|", "+", ""):
                return line.strip()[:1024]
    named = [line for line in lines if _EXCEPTION.match(line)]  # a SyntaxError of the script has no traceback
    return named[-1].strip()[:1024] if named else None
