"""What came from a node, in words and on this machine's disk."""

from __future__ import annotations

import hashlib
import os
import stat
import tarfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from ...agent.sparse import finish, write_sparse
from ...record.files import OURS
from ..contract.target import Tell

FOLDER_KIND, LINK_KIND, FILE_KIND, _OTHER_KIND = "a folder", "a link", "a file", "something else"
_BLOCK = 1 << 20
SPECIAL = {
    tarfile.FIFOTYPE: "is a pipe",
    tarfile.CHRTYPE: "is a device",
    tarfile.BLKTYPE: "is a device",
    tarfile.LNKTYPE: "is another name of a file that was not kept",
}
"""What cannot be kept, by its type in a tar."""
_TEMPORARY = f"{OURS}bring-"
_SHOWN = 3


@dataclass
class Collected:
    """What came from a node.

    `clashes` are the files, links and folders that a node before had otherwise, with what is different; `left_out` are
    those that could not be kept, with why; `asides` are the folders that took the former.
    """

    files: int = 0
    bytes: int = 0
    clashes: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    asides: set[str] = field(default_factory=set)

    @property
    def different(self) -> list[str]:
        """The names that clash, in the order in which they came."""
        return list(self.clashes)


def report_differences(found: Collected, node: int, tell: Tell) -> None:
    """Says which files of a node were put aside, and which could not be kept."""
    if found.clashes:
        shown = _listed({name: f"({words})" for name, words in found.clashes.items()})
        tell(
            f"warning: node {node} wrote {shown} otherwise than a node before it; its own is in "
            f"{', '.join(sorted(found.asides))}"
        )
    if found.left_out:
        tell(f"warning: of node {node} was left out: {_listed(found.left_out)}")


def difference(kind: str, at: os.stat_result | None) -> str:
    """How something of a kind differs from what is in its place; None where that place is no script's to have."""
    if at is None:
        return "in a place that is taken"
    there = kind_of(at)
    if there == kind:
        return "another content" if kind == FILE_KIND else "to another place"
    return f"{kind} where there is {there}"


def kind_of(at: os.stat_result) -> str:
    """What something is, in words."""
    if stat.S_ISDIR(at.st_mode):
        return FOLDER_KIND
    if stat.S_ISLNK(at.st_mode):
        return LINK_KIND
    return FILE_KIND if stat.S_ISREG(at.st_mode) else _OTHER_KIND


def begins_with(path: Path, start: Path) -> bool:
    """Whether a file goes on where another one ends, as a log does of which a part is here."""
    with start.open("rb") as part, path.open("rb") as whole:
        while block := part.read(_BLOCK):
            if whole.read(len(block)) != block:
                return False
    return True


def digest_of(path: Path) -> str:
    """The sha256 of a file, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def temporary_in(folder: Path) -> Path:
    """A new name for what is being written, which `sweep` knows."""
    return folder / f"{_TEMPORARY}{os.getpid()}-{os.urandom(6).hex()}.tmp"


def pour(content: IO[bytes], path: Path, explained: Callable[[], AbstractContextManager[None]]) -> None:
    """Writes what comes to a new file; long runs of zeros are holes again. `explained` is for this machine's troubles."""
    with explained():
        file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o644)
    try:
        size = 0
        while block := content.read(_BLOCK):  # what goes wrong here is the connection's
            with explained():
                write_sparse(file, size, block)
            size += len(block)
        with explained():
            finish(file, size)
    finally:
        os.close(file)


def sweep(folder: Path) -> None:
    """Takes away what a killed collection left half written: it may be what fills the disk."""
    import psutil

    for path in folder.glob(f"{_TEMPORARY}*"):
        number = path.name.removeprefix(_TEMPORARY).partition("-")[0]
        if not number.isdigit() or not psutil.pid_exists(int(number)):
            path.unlink(missing_ok=True)


def _listed(found: Mapping[str, str]) -> str:
    shown = ", ".join(f"{name} {words}" for name, words in list(found.items())[:_SHOWN])
    return shown + (f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else "")
