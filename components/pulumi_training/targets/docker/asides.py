"""The folder of each part of an attempt that takes what a node wrote otherwise than a node before it."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

from ...record.files import write_whole
from .places import Blocked, found_at

_ASIDES = "launch/asides.json"


class Asides:
    """Those of one attempt, by part and node, as remembered in its folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: dict[str, dict[str, str]] = read_notes(folder / _ASIDES)

    def known(self, part: str, node: int) -> str | None:
        """The folder of a node, where it has one by now."""
        name = self._names.get(part, {}).get(str(node))
        return None if name is None else self._place(part, name)

    def has(self, part: str, name: str) -> bool:
        """Whether a name is in the folder of some node: no script's own may be put there."""
        places = [self._place(part, known) for known in self._names.get(part, {}).values()]
        return any(name == place or name.startswith(f"{place}/") for place in places)

    def of(self, part: str, node: int) -> str:
        """The folder of a node; the first time, one whose name nobody has taken."""
        known = self.known(part, node)
        if known is not None:
            return known
        number, name = 0, f".node-{node}"
        while os.path.lexists(self._folder / self._place(part, name)):
            number += 1
            name = f".node-{node}.{number}"
        self._names.setdefault(part, {})[str(node)] = name
        # Before anything is put there: whoever goes on after a kill must know whose it is.
        write_whole(self._folder / _ASIDES, json.dumps(self._names).encode(), durable=False)
        return self._place(part, name)

    def _place(self, part: str, name: str) -> str:
        """In the part; beside it where a script made something else of the part than a folder."""
        try:
            at = found_at(self._folder, part)
        except Blocked:
            at = None
        return f"{part}/{name}" if at is None or stat.S_ISDIR(at.st_mode) else f"{part}{name}"


def below(part: str, name: str) -> str:
    """The rest of a name in its part; the part itself goes by its own."""
    return name[len(part) + 1 :] or part.rpartition("/")[2]


def read_notes(path: Path) -> dict[str, dict[str, str]]:
    """A document of two levels of words; {} where there is none that can be read."""
    try:
        document = json.loads(path.read_bytes())
        return {str(part): {str(n): str(name) for n, name in of.items()} for part, of in document.items()}
    except (OSError, ValueError, AttributeError):
        return {}
