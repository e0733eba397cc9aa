"""What links of a container that was killed lead to in it: nobody was there any more to keep it, but its disk is.

A node that ends of its own accord keeps it itself (`agent keep`), and says what is nobody's to keep. Here the daemon is
asked, which resolves names inside of the container; what was in its memory (`/tmp`) is gone.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Container
from typing import IO, TYPE_CHECKING

from ...agent.keep import SYSTEM
from ..containers.merge import Merge
from ..containers.node_layout import FOLDER, MOUNTS, SECRET_FILE
from .fetch import members

if TYPE_CHECKING:
    import docker

_ROUNDS = 8
"""Links that lead to links."""
_NOBODYS = (*SYSTEM, MOUNTS, SECRET_FILE)


def fetch_strays(merge: Merge, client: docker.DockerClient, container: str, judged: Container[str]) -> None:
    """Takes what links lead to elsewhere in the container in their place; `judged` are names that a node settled."""
    for _ in range(_ROUNDS):
        strays = {key: place for key, place in merge.strays.items() if key[1] not in judged}
        merge.strays.clear()
        if not strays:
            return
        for (part, name), place in strays.items():
            if _is_its_own(place):
                why = merge.collected.left_out.pop(name, "")
                if not _fetch(merge, client, container, place, part, name):
                    merge.collected.left_out[name] = f"{why}, and nothing is there any more"


def _fetch(
    merge: Merge, client: docker.DockerClient, container: str, place: str, part: str, name: str
) -> bool:
    def take(member: tarfile.TarInfo, content: IO[bytes] | None) -> None:
        _, _, rest = member.name.rstrip("/").partition("/")
        if member.issym():
            member.linkname = _turned(place, name, rest, member.linkname)
        if member.islnk():
            merge.collected.left_out[f"{name}/{rest}"] = "is another name of a file that was not kept"
        else:
            merge.take(part, f"{name}/{rest}" if rest else name, member, content)

    return members(client, container, place, take)


def _turned(place: str, name: str, rest: str, target: str) -> str:
    """What a link below `place` of the container says when it is below `name`: the same there, else where it led."""
    own = f"{place}/{rest}" if rest else place
    leads = os.path.normpath(os.path.join(os.path.dirname(own), target))
    if not leads.startswith(f"{place}/"):
        return leads
    return os.path.relpath(leads[len(place) + 1 :], os.path.dirname(rest) or ".")


def _is_its_own(place: str) -> bool:
    """Whether a place is the container's own: nothing of the system, nothing mounted, and not all of it."""
    if place == "/" or f"{FOLDER}/".startswith(f"{place}/"):
        return False
    return not any(place == other or place.startswith(f"{other}/") for other in _NOBODYS)
