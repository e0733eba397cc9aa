"""The verified copy of a source tree: what runs is what was digested, or nothing runs."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from pathlib import Path

from ..spec.errors import PermanentError, SpecError
from ..spec.outcome import Reason
from .hashing import CHUNK
from .limits import TreeLimits
from .tree import FileEntry, Tree, scan
from .walk import printable

_NAMED = 5


def copy_tree(tree: Tree, destination: Path) -> None:
    """Copies the files of `tree` to the folder `destination`, which must not exist or be empty.

    Contents and the executable bit are kept, times and owners are not; a link becomes what it leads to. Each
    file is digested as it is copied, and the tree is walked again afterwards: where anything differs from
    `tree`, raises PermanentError(SOURCE_CHANGED) that names up to five files, and leaves no copy behind.
    """
    destination.mkdir(parents=True, exist_ok=True)
    if any(destination.iterdir()):
        raise FileExistsError(f"{destination} is not empty")
    try:
        changed = _copy_files(tree, str(destination))
        changed += _came_and_went(tree, destination)
        if changed:
            raise PermanentError(Reason.SOURCE_CHANGED, _message(tree, changed))
    except BaseException:
        shutil.rmtree(destination, ignore_errors=True)
        raise


def _copy_files(tree: Tree, destination: str) -> list[tuple[str, str]]:
    changed = []
    made = {""}
    for entry in tree.entries:
        folder = entry.path.rpartition("/")[0]
        if folder not in made:
            os.makedirs(f"{destination}/{folder}", exist_ok=True)
            made.add(folder)
        try:
            what = _copy_file(f"{tree.root}/{entry.path}", f"{destination}/{entry.path}", entry)
        except (FileNotFoundError, NotADirectoryError):
            what = "is gone"
        if what:
            changed.append((entry.path, what))
    return changed


def _copy_file(source: str, destination: str, entry: FileEntry) -> str:
    """Copies one file; says how it differs from `entry`, or nothing."""
    # O_NONBLOCK: what was a file may be a pipe by now.
    reader = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(reader).st_mode):
            return "is no plain file any more"
        mode = 0o777 if entry.executable else 0o666
        writer = os.open(destination, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            digest = hashlib.sha256()
            while content := os.read(reader, CHUNK):
                digest.update(content)
                _write(writer, content)
        finally:
            os.close(writer)
        is_executable = bool(os.fstat(reader).st_mode & 0o100)
    finally:
        os.close(reader)
    if digest.hexdigest() != entry.sha256:
        return "changed"
    return "" if is_executable == entry.executable else "changed its executable bit"


def _write(handle: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(handle, rest) :]


def _came_and_went(tree: Tree, destination: Path) -> list[tuple[str, str]]:
    """What appeared since `tree` was read, and what vanished after it was copied."""
    try:
        # The limits were kept when the tree was read; here every file counts.
        _, found = scan(str(tree.root), TreeLimits(2**62, 2**62), None, tree.rules)
    except SpecError as error:
        return [(problem.message, "") for problem in error.problems]
    inside = os.path.relpath(os.path.realpath(destination), tree.root) + "/"
    now = {path for path, _ in found.files if not path.startswith(inside)}
    before = {entry.path for entry in tree.entries}
    return [(path, "appeared") for path in sorted(now - before)] + [
        (path, "is gone") for path in sorted(before - now) if os.path.lexists(destination / path)
    ]


def _message(tree: Tree, changed: list[tuple[str, str]]) -> str:
    named = ", ".join(f"{printable(path)} {what}".rstrip() for path, what in changed[:_NAMED])
    more = f" and {len(changed) - _NAMED} more" if len(changed) > _NAMED else ""
    return f"The source tree {printable(str(tree.root))} changed while the run was prepared: {named}{more}."
