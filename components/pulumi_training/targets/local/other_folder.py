"""An attempt that writes into another state folder of this machine than the one of who asks: what it wrote, copied here."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from ...record.store import explained


def copy_new(place: Path, folder: Path, parts: Iterable[str]) -> None:
    """Copies what is new or was changed below parts of `place`; links and what is no plain file stay where they are.

    Raises:
        StoreError: this machine does not take it.
    """
    with explained(folder, "what the attempt wrote cannot be copied there"):
        for part in parts:
            for above, _, names in os.walk(place / part):
                for name in names:
                    source = Path(above, name)
                    _copy(source, folder / source.relative_to(place))


def _copy(source: Path, goal: Path) -> None:
    if source.is_symlink() or not source.is_file():
        return
    seen = source.stat()
    if goal.is_file():
        known = goal.stat()
        if (known.st_size, known.st_mtime_ns) == (seen.st_size, seen.st_mtime_ns):
            return
    goal.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, goal)
