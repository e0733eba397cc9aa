"""Text for people: what others wrote made harmless for a terminal, names in a row, numbers of things."""

from __future__ import annotations

import re
from collections.abc import Sequence

_ESCAPES = re.compile(
    "\x1b\\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor movements
    "|\x1b[\\]PX^_][^\x07\x1b\x9c]*(?:\x07|\x1b\\\\|\x9c)?"  # OSC, DCS and their kin: titles, links, clipboard
    "|\x1b[ -/]*[0-~]"  # short ones: reset, character sets
    "|\x9b[0-?]*[ -/]*[@-~]"
)
_STEERING = "\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069"
_CONTROL = re.compile(f"[\x00-\x08\x0b-\x1f{_STEERING}]")
_KEPT_BY_LOGS = re.compile(f"[\x00-\x08\x0b\x0c\x0e-\x1f{_STEERING}]")


def safe(text: str) -> str:
    """`text` without escape sequences, on one line, what else would steer a terminal written as `\\x07`."""
    return _CONTROL.sub(_shown, _ESCAPES.sub("", text).replace("\n", " ").replace("\r", " "))


def safe_log(text: str) -> str:
    """Log text for a terminal: line ends, tabs and carriage returns stay, all else that would steer it does not."""
    return _KEPT_BY_LOGS.sub(_shown, _ESCAPES.sub("", text))


def plain_log(text: str) -> str:
    """Log text for state and diagnostics: as `safe_log`, each line by what it showed last."""
    lines = safe_log(text).replace("\r\n", "\n").split("\n")
    return "\n".join(last_redraw(line) for line in lines)


def last_redraw(line: str) -> str:
    """What a terminal would show in the end of a line that a progress bar wrote over with carriage returns."""
    if "\r" not in line:
        return line
    return next((part for part in reversed(line.split("\r")) if part.strip()), "")


def joined(names: Sequence[str], word: str = "and") -> str:
    """Names in a row: `a`, `a and b`, `a, b and c`."""
    return f" {word} ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def count(number: object, one: str, many: str = "") -> str:
    """A number of things: `1 run`, `2 runs`; `many` is the plural where it is not made with an s."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def topology(nodes: object, processes: object) -> str:
    """The nodes of a run and the processes of each: `1 node × 2 processes`."""
    return f"{count(nodes, 'node')} × {count(processes, 'process', 'processes')}"


def _shown(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
