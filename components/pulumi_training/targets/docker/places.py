"""Places in an attempt's folder, as a node names them: what is there, and what is not a node's to write."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from ...agent.facts import ROOM
from ...agent.keep import TEMPORARY

_UNBROUGHT = ("launch/launch.json", "launch/agent.lock", "launch/stop", "launch/stop.json")
_OF_THIS_SIDE = ("docker.json", "nodes.json", "killed.json", "asides.json", "supervisor.log")
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


def is_of_this_side(name: str) -> bool:
    """Whether a file of that name is no node's to write here, or leads out of the folder."""
    top, _, rest = name.partition("/")
    if top == "launch" and rest.startswith("left-"):
        return True
    words = name.split("/")
    if name.startswith("/") or ".." in words or any(word.startswith(TEMPORARY) for word in words):
        return True
    return name in _UNBROUGHT or name.startswith(ROOM) or (top == "launch" and rest in _OF_THIS_SIDE)


def above_of(name: str) -> list[str]:
    """The folders that a file is in, nearest first."""
    words = name.split("/")[:-1]
    return ["/".join(words[:count]) for count in range(len(words), 0, -1)]


def _lstat(path: Path) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
