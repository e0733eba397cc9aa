"""Text for people: durations, sizes and times."""

from __future__ import annotations

import time

from ..spec.text import count


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
    return f"{count(seconds // 86400, 'day')} ago"


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
