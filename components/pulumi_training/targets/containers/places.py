"""Places in an attempt's folder, as a node names them: what is there, what is not a node's to write, and what is put aside.

What a node wrote otherwise than a node before it goes aside: to a folder of its own in the same part.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path

from ...agent.facts import ROOM
from ...agent.keep import TEMPORARY
from ...record.files import write_whole
from .mark import MarkFile

_UNBROUGHT = ("launch/launch.json", "launch/agent.lock", "launch/stop", "launch/stop.json")
_ASIDES = "launch/asides.json"
_OF_THIS_SIDE = ("nodes.json", "killed.json", "asides.json", "supervisor.log")
"""Files of `launch/` that only this side writes: a node that has one of that name must not replace it."""


UNNAMEABLE = (errno.ENAMETOOLONG, errno.EILSEQ)
"""What a file system says of a name that it cannot have at all."""


class Blocked(Exception):
    """A file or a link is where a folder would have to be."""


def found_at(folder: Path, name: str) -> os.stat_result | None:
    """What is at a name below `folder`, itself and not what it links to; None where there is nothing.

    Raises:
        Blocked: the way there is no way of real folders.
    """
    place = folder
    *above, last = name.split("/")
    for word in above:
        place = place / word
        at = _lstat(place)
        if at is None:
            return None
        if not stat.S_ISDIR(at.st_mode):
            raise Blocked(place)
    return _lstat(place / last)


def is_of_this_side(name: str, mark: MarkFile) -> bool:
    """Whether a file of that name is no node's to write here, or leads out of the folder."""
    top, _, rest = name.partition("/")
    if top == "launch" and rest.startswith("left-"):
        return True
    words = name.split("/")
    if name.startswith("/") or ".." in words or any(word.startswith(TEMPORARY) for word in words):
        return True
    return (
        name in (*_UNBROUGHT, mark.name)
        or name.startswith(ROOM)
        or (top == "launch" and rest in _OF_THIS_SIDE)
    )


def above_of(name: str) -> list[str]:
    """The folders that a file is in, nearest first."""
    words = name.split("/")[:-1]
    return ["/".join(words[:count]) for count in range(len(words), 0, -1)]


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


def _lstat(path: Path) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
