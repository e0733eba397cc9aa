"""What a run wrote, brought home: missing files only, equal files of several nodes once."""

from __future__ import annotations

import filecmp
import hashlib
import json
import os
import shutil
import tarfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ...agent.facts import ROOM
from ...record.files import temporary_beside, write_whole
from .data import FOLDER
from .fetch import members
from .ranks import is_better
from .shipment import FIRST_NODE, OTHER_NODES, is_event_file_of

if TYPE_CHECKING:
    import docker

OWN_NODE = ".node-{node}"
_UNBROUGHT = ("launch/launch.json", "launch/agent.lock", "launch/stop", ROOM)
_GROWING = ("logs/std/", "metrics/", "launch/")
_OF_ONE_NODE = ("logs/std/", "logs/stacks/", "metrics/", "ranks/", "launch/")
"""Files that only one node has under their name."""
_BLOCK = 1 << 20


@dataclass
class Brought:
    """What came from a node, and which of its files differ from another node's of the same name."""

    files: int = 0
    bytes: int = 0
    different: list[str] = field(default_factory=list)


def bring_facts(client: docker.DockerClient, container: str, folder: Path, node: int) -> None:
    """Facts, logs and metrics of a node that can tell nothing any more; its outputs come with `bring`."""
    home = _Home(folder, node)
    for part in FIRST_NODE if node == 0 else OTHER_NODES:
        home.fetch(client, container, f"{FOLDER}/{part}", part)


def bring(
    client: docker.DockerClient,
    container: str,
    folder: Path,
    node: int,
    parts: Mapping[str, str],
    listing: Sequence[Mapping[str, Any]] | None,
) -> Brought:
    """Brings parts of a node's files into `folder`: `parts` maps a place there to the path in the node.

    `listing` says what there is (`agent files`), so that only what is missing is asked for; None for a node
    that does not run, whose files all come by, and are kept only where they are new.
    """
    home = _Home(folder, node)
    for part, path in parts.items():
        if listing is None:
            home.fetch(client, container, path, part)
            continue
        entries = {str(entry["path"]): entry for entry in listing if _is_below(str(entry["path"]), part)}
        missing = {name for name, entry in entries.items() if not home.has(name, entry)}
        for root in _roots(part, entries, missing):
            home.fetch(client, container, f"{path}{root.removeprefix(part)}", root)
    return home.brought


class _Home:
    """The attempt's folder, as it takes one node's files."""

    def __init__(self, folder: Path, node: int) -> None:
        self._folder = folder
        self._node = node
        self.brought = Brought()

    def has(self, name: str, entry: Mapping[str, Any]) -> bool:
        """Whether a file of a listing is here."""
        if name.startswith(_UNBROUGHT):
            return True
        for path in (self._folder / name, self._folder / self._own(name)):
            if "link" in entry:
                if path.is_symlink() and os.readlink(path) == entry["link"]:
                    return True
                continue
            try:
                found = path.stat()
            except OSError:
                continue
            if found.st_size != entry["size"]:
                continue
            if name.startswith(_GROWING) or ("sha256" in entry and entry["sha256"] == _digest(path)):
                return True
            if "sha256" not in entry and int(found.st_mtime) == int(entry["mtime_ns"]) // 10**9:
                return True
        return False

    def fetch(self, client: docker.DockerClient, container: str, path: str, name: str) -> None:
        """Takes everything below `path` of the container; it is called `name` here."""
        taken: dict[str, Path] = {}  # of a file with several names, only the first has its content

        def take(member: tarfile.TarInfo, content: IO[bytes] | None) -> None:
            _, _, rest = member.name.rstrip("/").partition("/")
            place = "/".join(part for part in (name, rest) if part)
            if member.islnk() and member.linkname in taken:
                twin = taken[member.linkname]
                with twin.open("rb") as stream:
                    member.size = twin.stat().st_size
                    self._take(place, member, stream)
            elif (settled := self._take(place, member, content)) is not None:
                taken[member.name] = settled

        members(client, container, path, take)

    def _take(self, name: str, member: tarfile.TarInfo, content: IO[bytes] | None) -> Path | None:
        """Takes one member; answers where the content of a file is."""
        if name.startswith(_UNBROUGHT) or ".." in name.split("/"):
            return None
        path = self._folder / name
        if self._folder.resolve() not in (*path.parent.resolve().parents, path.parent.resolve()):
            return None  # a link leads out of the folder
        if member.isdir():
            path.mkdir(parents=True, exist_ok=True)
        elif member.issym():
            self._link(path, member.linkname)
        elif content is not None:
            return self._file(name, path, member, content)
        return None

    def _link(self, path: Path, target: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_symlink() and not path.exists():
            path.symlink_to(target)

    def _file(self, name: str, path: Path, member: tarfile.TarInfo, content: IO[bytes]) -> Path:
        if name.startswith(("ranks/", "launch/")) and name.endswith(".json"):
            data = content.read()
            if not name.startswith("ranks/") or is_better(data, path):
                write_whole(path, data, durable=False)
            return path
        if self._is_growing_and_here(name, path, member.size):
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = temporary_beside(path)
        try:
            with temporary.open("wb") as stream:
                shutil.copyfileobj(content, stream, _BLOCK)
            os.utime(temporary, (member.mtime, member.mtime))
            temporary.chmod(0o755 if member.mode & 0o111 else 0o644)
            settled = self._settle(name, path, temporary)
        finally:
            temporary.unlink(missing_ok=True)
        self.brought.files += 1
        self.brought.bytes += member.size
        return settled

    def _is_growing_and_here(self, name: str, path: Path, size: int) -> bool:
        if not name.startswith(_GROWING):
            return False
        try:
            return path.stat().st_size >= size
        except OSError:
            return False

    def _settle(self, name: str, path: Path, temporary: Path) -> Path:
        """Equal content is one file; a later node's different content goes to a folder of that node."""
        is_own = name.startswith(_OF_ONE_NODE) or is_event_file_of(self._node, name)
        is_taken = self._node > 0 and not is_own and path.is_file()
        if is_taken and not filecmp.cmp(path, temporary, shallow=False):
            own = self._folder / self._own(name)
            own.parent.mkdir(parents=True, exist_ok=True)
            temporary.replace(own)
            self.brought.different.append(name)
            return own
        if not is_taken:
            temporary.replace(path)
        return path

    def _own(self, name: str) -> str:
        top, _, rest = name.partition("/")
        return f"{top}/{OWN_NODE.format(node=self._node)}/{rest}"


def read_listing(text: bytes) -> list[dict[str, Any]]:
    """What `agent files` printed."""
    return [json.loads(line) for line in text.splitlines() if line.startswith(b"{")]


def _roots(part: str, entries: Iterable[str], missing: set[str]) -> list[str]:
    """The fewest folders and files that hold everything missing and nothing else."""
    present = {folder for name in entries if name not in missing for folder in _above(name)}
    roots: dict[str, None] = {}
    for name in sorted(missing):
        root = name
        for folder in _above(name):
            if folder in present or not (folder == part or _is_below(folder, part)):
                break
            root = folder
        roots[root] = None
    return list(roots)


def _above(name: str) -> list[str]:
    """The folders that a file is in, nearest first."""
    words = name.split("/")[:-1]
    return ["/".join(words[:count]) for count in range(len(words), 0, -1)]


def _is_below(name: str, part: str) -> bool:
    return name.startswith(f"{part}/")


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


Tell = Callable[[str], None]


def tell_differences(brought: Brought, node: int, tell: Tell) -> None:
    """Says which files of a node were put aside."""
    if not brought.different:
        return
    shown = ", ".join(brought.different[:3]) + (" and more" if len(brought.different) > 3 else "")
    tell(
        f"warning: node {node} wrote {shown} with another content than a node before it; its own is below "
        f"{OWN_NODE.format(node=node)}"
    )
