"""The walk over a source directory: which files there are, with their stamps. Reads no content.

Links: one that leads to a file or folder inside the source directory stands for what it leads to, and the
copy holds a plain file there. One that leads outside, nowhere, or back into a folder above itself is refused:
the first would make the digest depend on what is not in the tree. Pipes, sockets and devices are refused too.
"""

from __future__ import annotations

import os
import stat as modes
import time
from dataclasses import dataclass, field

from ..spec.errors import Problem
from .ignore import OUT_ANYWHERE, OUT_AT_ROOT, VENV_MARK, IgnoreRules
from .rules import FIRST, is_aside
from .stat_cache import Snapshot, Stamps, stamps

_KINDS = {
    modes.S_IFIFO: "a named pipe",
    modes.S_IFSOCK: "a socket",
    modes.S_IFBLK: "a device",
    modes.S_IFCHR: "a device",
}
_WAY_OUT = "remove it, or name it in .amlignore"
PATIENCE_SECONDS = 10.0
"""How long a walk that is over the limits goes on to find out who is to blame."""


@dataclass
class Walked:
    """What a walk found: `files` as (relative posix path, stamps), what was refused, what the rules said.

    `is_whole` is false where the walk gave up because the tree is far over `max_files`. `aside` are files and
    folders (these end in `/`) that older rules would have let in, unless a pattern leaves them out.
    """

    files: list[tuple[str, Stamps]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    left_out: set[str] = field(default_factory=set)
    folders: set[str] = field(default_factory=set)
    is_whole: bool = True
    aside: list[str] = field(default_factory=list)


def walk(root: str, rules: IgnoreRules, remembered: Snapshot | None, *, max_files: int) -> Walked:
    """Walks `root` (absolute, real). `remembered` decisions hold where they are of the same rules."""
    return _Walk(root, rules, remembered, max_files).run()


def printable(path: str) -> str:
    """`path` for a message: what is not UTF-8 in it is shown as `\\udc..` escapes."""
    return path.encode("utf-8", "backslashreplace").decode("utf-8")


class _Walk:
    def __init__(self, root: str, rules: IgnoreRules, remembered: Snapshot | None, max_files: int) -> None:
        self.root, self.rules, self.max_files = root, rules, max_files
        self.found = Walked()
        usable = remembered is not None and remembered.rules_digest == rules.digest
        self.remembered = remembered if usable and remembered else Snapshot(rules.digest)
        # (relative prefix with its slash, folder, real folders that led here through links)
        self.todo: list[tuple[str, str, tuple[str, ...]]] = [("", root, ())]

    def run(self) -> Walked:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.todo:
            if len(self.found.files) > self.max_files and time.monotonic() > deadline:
                self.found.is_whole = False
                break
            prefix, folder, chain = self.todo.pop()
            try:
                with os.scandir(folder) as listing:
                    entries = list(listing)
            except OSError as error:
                self._refuse(prefix or ".", f"cannot be listed: {error.strerror}")
                continue
            if prefix and any(entry.name == VENV_MARK for entry in entries):
                continue
            self._folder(entries, prefix, folder, chain)
        return self.found

    def _folder(
        self, entries: list[os.DirEntry[str]], prefix: str, folder: str, chain: tuple[str, ...]
    ) -> None:
        files, has_rules, at_root = self.found.files, self.rules.spec is not None, not prefix
        is_newer = self.rules.version != FIRST
        for entry in entries:
            name = entry.name
            if name in OUT_ANYWHERE or (at_root and name in OUT_AT_ROOT):
                continue
            path = prefix + name
            try:
                if is_newer and is_aside(name, at_root) and self._is_aside(entry, path, at_root):
                    continue
                if entry.is_file(follow_symlinks=False):
                    if has_rules and self._is_out(path):
                        continue
                    # stamps() without the call: this line runs for every file
                    s = entry.stat(follow_symlinks=False)
                    files.append((path, (s.st_size, s.st_mtime_ns, s.st_ctime_ns, s.st_ino, s.st_mode)))
                elif entry.is_dir(follow_symlinks=False):
                    if not (has_rules and self._is_out(path + "/")):
                        self.todo.append((path + "/", entry.path, chain))
                elif entry.is_symlink():
                    self._link(path, entry.path, folder, chain)
                elif not (has_rules and self._is_out(path)):
                    kind = _KINDS.get(modes.S_IFMT(entry.stat(follow_symlinks=False).st_mode), "no file")
                    self._refuse(path, f"is {kind}, which cannot be copied: {_WAY_OUT}")
            except FileNotFoundError:
                continue  # vanished between the listing and the stat: the tree without it is a true state
            except OSError as error:
                self._refuse(path, f"cannot be read: {error.strerror}")

    def _is_aside(self, entry: os.DirEntry[str], path: str, at_root: bool) -> bool:
        whole = path + "/" if entry.is_dir() else path
        if not self.rules.sets_aside(entry.name, whole, at_root=at_root):
            return False
        if not self.rules.leaves_out(whole):
            self.found.aside.append(whole)
        return True

    def _link(self, path: str, place: str, folder: str, chain: tuple[str, ...]) -> None:
        # git takes a link for a file; here it may stand for a folder, so patterns for folders are tried too.
        if self.rules.spec is not None and (
            self._is_out(path) or (os.path.isdir(place) and self._is_out(path + "/"))
        ):
            return
        try:
            real = os.path.realpath(place, strict=True)
        except OSError:
            self._refuse(path, f"is a link to {_target(place)}, which leads nowhere: fix it, {_WAY_OUT}")
            return
        if not _holds(self.root, real):
            self._refuse(
                path,
                f"is a link to {printable(real)}, outside the source directory: copy it in, "
                f"declare data as a Datastore, {_WAY_OUT}",
            )
            return
        stat = os.stat(real)
        if modes.S_ISREG(stat.st_mode):
            self.found.files.append((path, stamps(stat)))
        elif not modes.S_ISDIR(stat.st_mode):
            self._refuse(
                path, f"is a link to {_KINDS.get(modes.S_IFMT(stat.st_mode), 'no file')}: {_WAY_OUT}"
            )
        else:
            here = (*chain, os.path.realpath(folder))
            if any(_holds(real, place) for place in here):
                self._refuse(
                    path, f"is a link to {printable(real)}, a folder above itself, without end: {_WAY_OUT}"
                )
            else:
                self.todo.append((path + "/", real, here))

    def _is_out(self, path: str) -> bool:
        remembered = self.remembered
        if path in remembered.files:
            return False
        if path in remembered.folders:
            self.found.folders.add(path)
            return False
        if path in remembered.left_out or self.rules.leaves_out(path):
            self.found.left_out.add(path)
            return True
        if path.endswith("/"):
            self.found.folders.add(path)
        return False

    def _refuse(self, path: str, message: str) -> None:
        self.found.problems.append(Problem("sourceDirectory", f"{printable(path)} {message}"))


def _holds(folder: str, path: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _target(link: str) -> str:
    try:
        return printable(os.readlink(link))
    except OSError:
        return "somewhere"
