"""Files of an attempt's folder that a script may have replaced: opened only where every link on the way stays inside.

A link counts only where it leads to a place inside the attempt's own folder. Where a link leads is worked out part by
part, each part opened relative to the one above and never followed by the system, so that nobody can exchange a part
meanwhile. What is no plain file (a pipe, a socket, a device) is not opened: it may never answer.
"""

from __future__ import annotations

import errno
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

MAX_LINKS = 40
"""Links on one way, as Linux has it (path_resolution(7))."""
KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFBLK: "a device",
    stat.S_IFCHR: "a device",
    stat.S_IFDIR: "a folder",
}
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_SHOWN = 200
_ALIASES = ("outputs", "logs")
"""Links in a run's copy of the source that lead into the attempt's folder."""


class LeadsOut(OSError):
    """A link on the way leads out of the folder; `target` is what it says."""

    def __init__(self, path: str, target: str) -> None:
        self.target = target
        super().__init__(errno.EXDEV, "is a link that leads out of the run's own folder", path)


class NoFile(OSError):
    """Something is there, and it is no plain file; `kind` says what (`a named pipe`), `mode` its mode."""

    def __init__(self, path: str, mode: int) -> None:
        self.mode = mode
        self.kind = KINDS.get(stat.S_IFMT(mode), "no file")
        super().__init__(errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL, f"is {self.kind}", path)


def open_beneath(root: str, path: str) -> int:
    """A descriptor to read the plain file `path` below the folder `root`, which may itself be reached by links.

    Raises:
        LeadsOut: a link on the way leads out of `root`.
        NoFile: it is a folder, a pipe, a socket or a device.
        OSError: it is not there, its links go round in circles, or it cannot be read.
    """
    way = _Way(root, path)
    try:
        name = way.go()
        if name is None:
            raise NoFile(path, stat.S_IFDIR)
        file = os.open(name, _FILE, dir_fd=way.folders[-1])
        mode = os.fstat(file).st_mode
        if not stat.S_ISREG(mode):
            os.close(file)
            raise NoFile(path, mode)
        return file
    finally:
        way.close()


def read_beneath(root: str, path: str) -> BinaryIO:
    """As `open_beneath`, an unbuffered stream."""
    return os.fdopen(open_beneath(root, path), "rb", buffering=0)


def find_beneath(root: str, path: str) -> tuple[str, os.stat_result]:
    """What `path` below `root` is in the end: its place relative to `root` without any link in it, and its state.

    A folder counts too, and so does a pipe: look at the state. Raises as `open_beneath`, but for NoFile.
    """
    way = _Way(root, path)
    try:
        name = way.go()
        if name is None:
            return "/".join(way.names), os.fstat(way.folders[-1])
        found = os.stat(name, dir_fd=way.folders[-1], follow_symlinks=False)
        return "/".join([*way.names, name]), found
    finally:
        way.close()


def judge(path: str, target: str, home: str) -> str | None:
    """Where a link at `path` says it leads, both relative to an attempt's folder; None where that is outside of it.

    Judged by the words alone: `home` is where the folder was on the machine where the link was made. `code/outputs` is
    `outputs`, and `code/logs` is `logs`, as they are for a script.
    """
    if target.startswith("/"):
        words = _words(target)
        top = _words(home)
        if words[: len(top)] != top:
            return None
        parts: list[str] = []
        words = words[len(top) :]
    else:
        parts = [word for word in path.split("/")[:-1] if word not in ("", ".")]
        words = target.split("/")
    for word in words:
        if word in ("", "."):
            continue
        if word == "..":
            if not parts:
                return None
            parts.pop()
            continue
        parts.append(word)
        if len(parts) == 2 and parts[0] == "code" and word in _ALIASES:
            del parts[0]
    return "/".join(parts)


def relative(path: str, target: str) -> str:
    """What a link at `path` must say to lead to `target`, both relative to the same folder."""
    return os.path.relpath(target or ".", os.path.dirname(path) or ".")


def shown(text: str) -> str:
    """A name, or what a link says, for a message: one line, whatever a script put into it."""
    words = text.encode("utf-8", "backslashreplace").decode("utf-8")
    words = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in words)
    return words if len(words) <= _SHOWN else f"{words[: _SHOWN - 1]}…"


def attempt_above(path: str) -> str | None:
    """The folder of the attempt that a place is in, by its words and by what lies there; None where there is none."""
    parts = path.rstrip("/").split("/")
    for at in range(len(parts) - 1, 0, -1):
        if parts[at - 1] == "attempts" and parts[at].isdigit():
            folder = "/".join(parts[: at + 1])
            if os.path.isdir(f"{folder}/launch") and os.path.isdir(f"{folder}/outputs"):
                return folder
    return None


class _Way:
    """The way from a root to a path: the folders that are open on it, and their names."""

    def __init__(self, root: str, path: str) -> None:
        self._root = root
        self._path = path
        self._left = MAX_LINKS
        self.folders = [os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)]
        self.names: list[str] = []

    def go(self) -> str | None:
        """The name of what is at the end, in the last of the folders; None where that folder itself is meant."""
        todo = _words(self._path)[::-1]
        while todo:
            word = todo.pop()
            if word == "..":
                if not self.names:
                    raise LeadsOut(self._path, self._path)
                self._leave()
                continue
            found = os.stat(word, dir_fd=self.folders[-1], follow_symlinks=False)
            if stat.S_ISLNK(found.st_mode):
                todo += self._turned(os.readlink(word, dir_fd=self.folders[-1]))
            elif todo or stat.S_ISDIR(found.st_mode):
                self.folders.append(os.open(word, _FOLDER, dir_fd=self.folders[-1]))
                self.names.append(word)
            else:
                return word
        return None

    def close(self) -> None:
        for folder in self.folders:
            os.close(folder)

    def _turned(self, target: str) -> list[str]:
        """The words of a link, last first, after going to where it begins."""
        self._left -= 1
        if self._left < 0:
            raise OSError(errno.ELOOP, "is a link in a circle", self._path)
        words = _words(target)
        if not target.startswith("/"):
            return words[::-1]
        for root in dict.fromkeys((self._root, os.path.realpath(self._root))):
            top = _words(root)
            if words[: len(top)] == top:
                while self.names:
                    self._leave()
                below = words[len(top) :]
                if below[:1] == ["code"] and below[1:2] and below[1] in _ALIASES:
                    del below[0]  # the copy of the source is taken away at the end
                return below[::-1]
        raise LeadsOut(self._path, target)

    def _leave(self) -> None:
        os.close(self.folders.pop())
        self.names.pop()


def _words(path: str) -> list[str]:
    return [word for word in path.split("/") if word not in ("", ".")]
