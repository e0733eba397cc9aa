"""What a run wrote, brought home: missing files only, equal files of several nodes once."""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ...agent.keep import LEFT
from ..containers.collected import Collected
from ..containers.merge import Merge
from ..containers.node_layout import FIRST_NODE, FOLDER, OTHER_NODES
from ..containers.places import above_of, read_notes
from .fetch import members
from .mark import MARK
from .strays import fetch_strays

if TYPE_CHECKING:
    import docker

_SHOWN = 3


def bring_facts(client: docker.DockerClient, container: str, folder: Path, node: int) -> None:
    """Facts, logs and metrics of a node that can tell nothing any more; its outputs come with `bring`."""
    merge = Merge(folder, node, MARK)
    for name in FIRST_NODE if node == 0 else OTHER_NODES:
        _fetch(merge, client, container, f"{FOLDER}/{name}", name.partition("/")[0], name)
    merge.finish()


def bring(
    client: docker.DockerClient,
    container: str,
    folder: Path,
    node: int,
    parts: Mapping[str, str],
    listing: Sequence[Mapping[str, Any]] | None,
) -> Collected:
    """Brings parts of a node's files into `folder`: `parts` maps a place there to the path in the node.

    `listing` says what there is (`agent files`), so that only what is missing is asked for; None for a node
    that does not run, whose files all come by, and are kept only where they are new.
    """
    merge = Merge(folder, node, MARK)
    for part, path in parts.items():
        if listing is None:
            _fetch(merge, client, container, path, part, part)
            continue
        entries = {str(entry["path"]): entry for entry in listing if _is_below(str(entry["path"]), part)}
        missing = {name for name, entry in entries.items() if not merge.has(part, name, entry)}
        for root in _roots(part, entries, missing):
            _fetch(merge, client, container, f"{path}{root.removeprefix(part)}", part, root)
    fetch_strays(merge, client, container, read_notes(folder / LEFT.format(node=node)).get("left", {}))
    merge.finish()
    return merge.collected


def _fetch(
    merge: Merge, client: docker.DockerClient, container: str, path: str, part: str, name: str
) -> None:
    """Takes everything below `path` of the container, which is `name` of a part here."""
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

    members(client, container, path, take)


def read_listing(text: bytes) -> list[dict[str, Any]]:
    """What `agent files` printed."""
    return [json.loads(line) for line in text.splitlines() if line.startswith(b"{")]


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
