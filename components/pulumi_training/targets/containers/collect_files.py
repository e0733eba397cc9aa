"""What a run wrote, brought home: missing files only, equal files of several nodes once.

A node that ends of its own accord keeps what its links lead to in it (`agent keep`), and says what is nobody's to keep. Of
one that was killed, nobody was there any more to keep it, but where its disk can be read the backend is asked, which
resolves names inside of the node; what was in its memory (`/tmp`) is gone.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ...agent.keep import LEFT, SYSTEM
from .collected import Collected
from .merge import Merge
from .node_layout import FIRST_NODE, FOLDER, MOUNTS, OTHER_NODES, SECRET_FILE
from .places import above_of, read_notes

if TYPE_CHECKING:
    from .mark import MarkFile
    from .transport import Transport

_ROUNDS = 8
"""Links that lead to links."""
_NOBODYS = (*SYSTEM, MOUNTS, SECRET_FILE)


def collect_facts(transport: Transport, reference: str, folder: Path, node: int, mark: MarkFile) -> None:
    """Facts, logs and metrics of a node that can tell nothing any more; its outputs come with `collect_files`.

    Raises:
        NodeEnded: the node has ended and cannot be read any more.
    """
    merge = Merge(folder, node, mark)
    for name in FIRST_NODE if node == 0 else OTHER_NODES:
        _fetch(merge, transport, reference, f"{FOLDER}/{name}", name.partition("/")[0], name)
    merge.finish()


def collect_files(
    transport: Transport,
    reference: str,
    folder: Path,
    node: int,
    parts: Mapping[str, str],
    listing: Sequence[Mapping[str, object]] | None,
    mark: MarkFile,
) -> Collected:
    """Brings parts of a node's files into `folder`: `parts` maps a place there to the path in the node.

    `listing` says what there is (`agent files`), so that only what is missing is asked for; None for a node
    that does not run, whose files all come by, and are kept only where they are new.

    Raises:
        NodeEnded: the node has ended and cannot be read any more; what came until then is kept.
        StoreError: this machine cannot keep it.
    """
    merge = Merge(folder, node, mark)
    for part, path in parts.items():
        if listing is None:
            _fetch(merge, transport, reference, path, part, part)
            continue
        entries = {str(entry["path"]): entry for entry in listing if _is_below(str(entry["path"]), part)}
        missing = {name for name, entry in entries.items() if not merge.has(part, name, entry)}
        for root in _roots(part, entries, missing):
            _fetch(merge, transport, reference, f"{path}{root.removeprefix(part)}", part, root)
    _fetch_strays(merge, transport, reference, read_notes(folder / LEFT.format(node=node)).get("left", {}))
    merge.finish()
    return merge.collected


def _fetch(merge: Merge, transport: Transport, reference: str, path: str, part: str, name: str) -> None:
    """Takes everything below `path` of the node, which is `name` of a part here."""
    taken: dict[str, Path] = {}  # of a file with several names, only the first has its content

    def take(member: tarfile.TarInfo, content: IO[bytes] | None) -> None:
        _, _, rest = member.name.rstrip("/").partition("/")
        place = "/".join(part for part in (name, rest) if part)
        if member.islnk() and member.linkname in taken:
            with taken[member.linkname].open("rb") as stream:
                member.size = os.fstat(stream.fileno()).st_size
                merge.take(part, place, member, stream)
        elif (settled := merge.take(part, place, member, content)) is not None:
            taken[member.name] = settled

    transport.take_files(reference, path, take)


def _roots(part: str, entries: Iterable[str], missing: set[str]) -> list[str]:
    """The fewest folders and files that hold everything missing and nothing else."""
    present = {folder for name in entries if name not in missing for folder in above_of(name)}
    roots: dict[str, None] = {}
    for name in sorted(missing):
        root = name
        for folder in above_of(name):
            if folder in present or not (folder == part or _is_below(folder, part)):
                break
            root = folder
        roots[root] = None
    return list(roots)


def _is_below(name: str, part: str) -> bool:
    return name.startswith(f"{part}/")


def _fetch_strays(merge: Merge, transport: Transport, reference: str, judged: Container[str]) -> None:
    """Takes what links lead to elsewhere in the node in their place; `judged` are names that a node settled."""
    for _ in range(_ROUNDS):
        strays = {key: place for key, place in merge.strays.items() if key[1] not in judged}
        merge.strays.clear()
        if not strays:
            return
        for (part, name), place in strays.items():
            if _is_its_own(place):
                why = merge.collected.left_out.pop(name, "")
                if not _fetch_stray(merge, transport, reference, place, part, name):
                    merge.collected.left_out[name] = f"{why}, and nothing is there any more"


def _fetch_stray(
    merge: Merge, transport: Transport, reference: str, place: str, part: str, name: str
) -> bool:
    def take(member: tarfile.TarInfo, content: IO[bytes] | None) -> None:
        _, _, rest = member.name.rstrip("/").partition("/")
        if member.issym():
            member.linkname = _turned(place, name, rest, member.linkname)
        if member.islnk():
            merge.collected.left_out[f"{name}/{rest}"] = "is another name of a file that was not kept"
        else:
            merge.take(part, f"{name}/{rest}" if rest else name, member, content)

    return transport.take_files(reference, place, take)


def _turned(place: str, name: str, rest: str, target: str) -> str:
    """What a link below `place` of the node says when it is below `name`: the same there, else where it led."""
    own = f"{place}/{rest}" if rest else place
    leads = os.path.normpath(os.path.join(os.path.dirname(own), target))
    if not leads.startswith(f"{place}/"):
        return leads
    return os.path.relpath(leads[len(place) + 1 :], os.path.dirname(rest) or ".")


def _is_its_own(place: str) -> bool:
    """Whether a place is the node's own: nothing of the system, nothing mounted, and not all of it."""
    if place == "/" or f"{FOLDER}/".startswith(f"{place}/"):
        return False
    return not any(place == other or place.startswith(f"{other}/") for other in _NOBODYS)
