"""Text for people: durations, sizes and times; and text of others made harmless for a terminal."""

from __future__ import annotations

import re
import time

_ESCAPES = re.compile(
    "\x1b\\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor movements
    "|\x1b[\\]PX^_][^\x07\x1b\x9c]*(?:\x07|\x1b\\\\|\x9c)?"  # OSC, DCS and their kin: titles, links, clipboard
    "|\x1b[ -/]*[0-~]"  # short ones: reset, character sets
    "|\x9b[0-?]*[ -/]*[@-~]"
)
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_KEPT_BY_LOGS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def safe(text: str) -> str:
    """`text` without escape sequences, on one line, what else would steer a terminal written as `\\x07`."""
    return _CONTROL.sub(_shown, _ESCAPES.sub("", text).replace("\n", " ").replace("\r", " "))


def safe_log(text: str) -> str:
    """Log text for a terminal: line ends, tabs and carriage returns stay, all else that would steer it does not."""
    return _KEPT_BY_LOGS.sub(_shown, _ESCAPES.sub("", text))


def last_redraw(line: str) -> str:
    """What a terminal would show in the end of a line that a progress bar wrote over with carriage returns."""
    if "\r" not in line:
        return line
    return next((part for part in reversed(line.split("\r")) if part.strip()), "")


def duration(seconds: float | None) -> str:
    """`0.4 s`, `12 s`, `3m 05s`, `2h 14m`, `3d 04h`; `-` for None."""
    if seconds is None:
        return "-"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = int(seconds + 0.5)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h {whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d {whole % 86400 // 3600:02d}h"


def ago(at: float | None, now: float | None = None) -> str:
    """`12 s ago`, `5 min ago`, `3 h ago`, `2 days ago`; `-` for None, `just now` for the future too."""
    if not at:
        return "-"
    seconds = int((time.time() if now is None else now) - at)
    if seconds < 5:
        return "just now"
    if seconds < 60:
        return f"{seconds} s ago"
    if seconds < 3600:
        return f"{seconds // 60} min ago"
    if seconds < 86400:
        return f"{seconds // 3600} h ago"
    days = seconds // 86400
    return f"{days} day{'s' if days > 1 else ''} ago"


def clock(at: float | None) -> str:
    """A time in this machine's zone, `2026-01-31 12:00:00`; `-` for None."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at)) if at else "-"


def size(count: float) -> str:
    """Bytes as `512 B`, `1.5 KiB`, `20 MiB`."""
    units = ["B", "KiB", "MiB", "GiB", "TiB"]
    while count >= 1024 and len(units) > 1:
        count /= 1024
        units.pop(0)
    return f"{count:.1f} {units[0]}" if units[0] != "B" and count < 9.95 else f"{count:.0f} {units[0]}"


def metrics(values: dict[str, float], names: int = 3) -> str:
    """`accuracy 0.961  loss 0.12`, so many names at most, `…` where there are more."""
    words = [f"{name} {value:.4g}" for name, value in list(values.items())[:names]]
    return "  ".join(words) + ("  …" if len(values) > names else "")


def _shown(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
