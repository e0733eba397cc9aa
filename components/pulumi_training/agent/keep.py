"""`agent keep`: at a run's end, puts in place of each link in its outputs what it leads to, where that is the run's own.

Only where the run was, a link means what its script meant. Afterwards no link in an output leads anywhere but to
another output or log, so that whoever collects follows none. The run's own is its folder, and, on a machine that is
there for the run alone (a container), whatever else is on it, but nothing that is mounted into it, no secrets, and
nothing of the system's that only looks like files (`/proc`). What stays out is named with its reason in
`launch/links-<node>.json`; each reason goes on a sentence that begins with "it".
"""

from __future__ import annotations

import errno
import os
import stat

from .beneath import KINDS, judge, relative, shown
from .facts import write_json
from .marks import is_same

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

LEFT = "launch/links-{node}.json"
PARTS = ("outputs", "logs")
TEMPORARY = ".~keep-"
"""What is half copied is called so, as this house names what no listing shows."""
_MAX_CHAIN = 8
"""Folders linked from within folders that links led to."""
_MAX_LEFT = 1000
SYSTEM = ("/proc", "/sys", "/dev", "/run/secrets", "/var/run/secrets")
"""Places that only look like files, and those of other people's secrets."""
_SHARED_MEMORY = "/dev/shm"


def keep(folder: str, parts: list[str], node: int = 0, *, owns: bool, without: tuple[str, ...] = ()) -> int:
    """Settles the links below `parts` of an attempt's folder, and notes what stays out; answers how much that is.

    `owns`: the machine is there for this run alone. `without`: places of it that are nobody's to keep. Raises OSError,
    after all else is settled, where the disk had no room: what did not come now may come the next time.
    """
    keeping = Keeping(folder, parts, Own(folder, owns=owns, without=without))
    keeping.run()
    note = f"{folder}/{LEFT.format(node=node)}"
    try:
        if keeping.left:
            os.makedirs(f"{folder}/launch", exist_ok=True)
            write_json(note, {"left": dict(sorted(keeping.left.items())[:_MAX_LEFT])})
        elif os.path.lexists(note):
            os.unlink(note)
    except OSError:
        pass  # a full disk: whoever collects finds the links as they are, and names them
    if keeping.is_full is not None:
        raise keeping.is_full
    return len(keeping.left)


class Own:
    """What of a machine is a run's own."""

    def __init__(self, folder: str, *, owns: bool, without: tuple[str, ...] = ()) -> None:
        self.folder = os.path.realpath(folder)
        self._owns = owns
        self._without = tuple(os.path.realpath(place) for place in without)
        self._foreign, self._near = _mounts() if owns else ((), ())

    def why_not(self, real: str) -> str:
        """Why a place without links in it is not the run's own; empty where it is."""
        if any(_holds(place, real) for place in self._without):
            return "is no output"
        if _holds(self.folder, real):
            return ""
        if not self._owns:
            return "is outside the run's own folder"
        if any(_holds(place, real) for place in SYSTEM) and not _holds(_SHARED_MEMORY, real):
            return "is the system's"
        mount = max((place for place in self._near if _holds(place, real)), key=len, default="/")
        if mount in self._foreign and not _holds(mount, self.folder):
            return "is mounted into the container"
        return ""


class Keeping:
    """One walk over the parts; `left` maps what stays out, by its path in the attempt's folder, to the reason."""

    def __init__(self, folder: str, parts: list[str], own: Own) -> None:
        self.left: dict[str, str] = {}
        self.is_full: OSError | None = None
        self._folder = folder
        self._parts = parts
        self._own = own
        self._number = 0

    def run(self) -> None:
        """Settles everything; what goes wrong stays out with its reason."""
        for part in self._parts:
            try:
                self._take_back(part)
            except OSError as error:
                self.left[part] = f"cannot be kept: {error.strerror}"
            self._settle(part, ())

    def _take_back(self, part: str) -> None:
        """A script may have put a folder, or a link, of its own in place of the one that it was given."""
        place = f"{self._folder}/{part}"
        given = f"{self._folder}/code/{part}"
        if part in PARTS and os.path.isdir(given) and not is_same(given, place):
            if os.path.islink(given):
                self._take_folder(part, given, os.readlink(given))
            else:
                self._merge(given, place)
        if os.path.islink(place):
            target = os.readlink(place)
            os.unlink(place)
            self._take_folder(part, os.path.join(os.path.dirname(place), target), target)
        os.makedirs(place, exist_ok=True)

    def _take_folder(self, part: str, source: str, target: str) -> None:
        """Takes what is in a folder that a link leads to, in place of the link."""
        real = os.path.realpath(source)
        why = self._why_not_folder(real) if os.path.isdir(real) else "is no folder"
        if why:
            self.left[part] = f"is a link to {shown(target)}, which {why}"
            return
        fresh = self._temporary(self._folder)
        self._copy_folder(real, fresh, part)
        self._merge(fresh, f"{self._folder}/{part}")

    def _merge(self, source: str, place: str) -> None:
        """Moves everything of one folder to another; what is younger wins."""
        os.makedirs(place, exist_ok=True)
        for name in os.listdir(source):
            here, there = f"{source}/{name}", f"{place}/{name}"
            if _is_folder(here) and _is_folder(there):
                self._merge(here, there)
            elif _is_folder(there):
                os.rename(here, self._free(there))
            elif _is_folder(here) and os.path.lexists(there):
                os.rename(there, self._free(there))
                os.rename(here, there)
            else:
                os.rename(here, there)
        os.rmdir(source)

    def _free(self, path: str) -> str:
        number = 1
        while os.path.lexists(f"{path}.{number}"):
            number += 1
        return f"{path}.{number}"

    def _settle(self, part: str, chain: tuple[str, ...]) -> None:
        """Settles what is below a folder; `chain` are the folders that links led to on the way here."""
        waiting = [(part, chain)]
        while waiting:
            path, chain = waiting.pop()
            try:
                with os.scandir(f"{self._folder}/{path}") as entries:
                    found = sorted(entries, key=lambda entry: entry.name)
            except OSError as error:
                self.left[path] = f"cannot be read: {error.strerror}"
                continue
            for entry in found:
                name = f"{path}/{entry.name}"
                if entry.name.startswith(TEMPORARY):
                    _remove(entry.path)  # whoever was at it was killed
                elif entry.is_symlink():
                    source = self._settle_link(name, chain)
                    if source:
                        waiting.append((name, (*chain, source)))
                elif entry.is_dir(follow_symlinks=False):
                    waiting.append((name, chain))
                elif not entry.is_file(follow_symlinks=False):
                    self.left[name] = f"is {_kind(entry.stat(follow_symlinks=False).st_mode)}"

    def _settle_link(self, path: str, chain: tuple[str, ...]) -> str:
        """Settles one link; answers the folder that its content came from, where more links may be in it now."""
        full = f"{self._folder}/{path}"
        target = ""
        try:
            target = os.readlink(full)
            real, found = self._lead(path, target)
            inside = self._inside(real)
            if inside is not None:
                if not self._lasts(path, target):
                    self._link(full, relative(path, inside))
                return ""
            why = self._why_not_kept(real, found.st_mode, chain)
            if not why:
                return self._put(path, real, found)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR):
                why = "leads nowhere"
            elif error.errno == errno.ELOOP:
                why = "goes round in circles"
            else:
                why = f"could not be kept: {error.strerror}"
                if error.errno in (errno.ENOSPC, errno.EDQUOT):
                    self.is_full = error
        self.left[path] = f"is a link to {shown(target)}, which {why}"
        return ""

    def _lasts(self, path: str, target: str) -> bool:
        """Whether a link means the same wherever the attempt's folder is, and without the copy of the source."""
        words = target.split("/")
        leads = judge(path, target, self._folder)
        return bool(leads and words[0] and "code" not in words and os.path.lexists(f"{self._folder}/{leads}"))

    def _lead(self, path: str, target: str) -> tuple[str, os.stat_result]:
        """Where a link leads in the end. Raises OSError where that is nowhere.

        `../scratch/m` is tried as the script may have meant it, too: its ./outputs is a link, and `..` of where that leads
        is not the script's folder.
        """
        full = f"{self._folder}/{path}"
        try:
            found = os.stat(full)
            return os.path.realpath(full), found
        except FileNotFoundError:
            if target.startswith("/") or not path.startswith(tuple(f"{part}/" for part in PARTS)):
                raise
            meant = os.path.normpath(f"{self._folder}/code/{os.path.dirname(path)}/{target}")
            found = os.stat(meant)
            return os.path.realpath(meant), found

    def _inside(self, real: str) -> str | None:
        """The path of a place in the attempt's folder, where it is in a part that is collected."""
        for part in dict.fromkeys((*PARTS, *self._parts)):
            if _holds(os.path.realpath(f"{self._folder}/{part}"), real):
                return os.path.relpath(real, self._own.folder)
        return None

    def _why_not_kept(self, real: str, mode: int, chain: tuple[str, ...]) -> str:
        if stat.S_ISREG(mode):
            return self._own.why_not(real)
        if not stat.S_ISDIR(mode):
            return f"is {_kind(mode)}"
        if len(chain) >= _MAX_CHAIN or any(_holds(real, source) for source in chain):
            return "is a folder above itself"
        return self._why_not_folder(real)

    def _why_not_folder(self, real: str) -> str:
        if _holds(real, self._own.folder):
            return "is a folder above the run's own"
        return self._own.why_not(real)

    def _put(self, path: str, real: str, found: os.stat_result) -> str:
        """Puts the content in place of the link; answers the folder that it came from."""
        full = f"{self._folder}/{path}"
        fresh = self._temporary(os.path.dirname(full))
        if stat.S_ISREG(found.st_mode):
            try:
                _copy_file(real, fresh)
                os.replace(fresh, full)
            finally:
                _remove(fresh)
            return ""
        try:
            self._copy_folder(real, fresh, path)
            os.unlink(full)
            os.rename(fresh, full)
        finally:
            _remove(fresh)
        return real

    def _copy_folder(self, source: str, target: str, name: str) -> None:
        """Copies a folder for `name`; links in it lead on to where they led, or to the same place in the copy."""
        os.mkdir(target)
        for path, entry in _below(source):
            place = f"{target}/{path}"
            if entry.is_symlink():
                real = os.path.realpath(entry.path)
                inner = _holds(source, real)
                os.symlink(relative(path, os.path.relpath(real, source)) if inner else real, place)
            elif entry.is_dir(follow_symlinks=False):
                os.mkdir(place)
            elif not entry.is_file(follow_symlinks=False):
                self.left[f"{name}/{path}"] = f"is {_kind(entry.stat(follow_symlinks=False).st_mode)}"
            elif why := self._own.why_not(os.path.normpath(entry.path)):
                self.left[f"{name}/{path}"] = why
            else:
                _copy_file(entry.path, place)

    def _link(self, full: str, target: str) -> None:
        fresh = self._temporary(os.path.dirname(full))
        os.symlink(target, fresh)
        os.replace(fresh, full)

    def _temporary(self, folder: str) -> str:
        self._number += 1
        return f"{folder}/{TEMPORARY}{os.getpid()}-{self._number}.tmp"


def _copy_file(source: str, target: str) -> None:
    """One more name for a file where that can be, else a copy that has its holes too. Raises OSError."""
    file = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, f"is {_kind(found.st_mode)}", source)
        try:
            os.link(source, target, follow_symlinks=False)
            if os.path.samestat(os.stat(target, follow_symlinks=False), found):
                return
            os.unlink(target)
        except OSError:
            pass  # another file system, or one that has no such names
        from .sparse import copy_sparse

        mode = 0o755 if found.st_mode & 0o111 else 0o644
        written = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            copy_sparse(file, written)
            os.utime(written, ns=(found.st_atime_ns, found.st_mtime_ns))
        finally:
            os.close(written)
    finally:
        os.close(file)


def _below(source: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Everything below a folder, each folder before what is in it. Raises OSError."""
    waiting = [""]
    while waiting:
        prefix = waiting.pop()
        with os.scandir(f"{source}/{prefix}") as entries:
            for entry in entries:
                yield prefix + entry.name, entry
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(f"{prefix}{entry.name}/")


def _remove(path: str) -> None:
    """Takes away what was half done."""
    if not os.path.lexists(path):
        return
    if _is_folder(path):
        import shutil

        shutil.rmtree(path, ignore_errors=True)
    else:
        os.unlink(path)


def _mounts() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The places where something of another machine or of another container is, and all where anything is mounted.

    A container's own are its root and what is in its memory (tmpfs). See proc_pid_mountinfo(5).
    """
    foreign, all_ = [], []
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:  # noqa: PTH123
            for line in lines:
                words = line.split(" ")
                place = _unescaped(words[4])
                kind = words[words.index("-") + 1]
                all_.append(place)
                if place != "/" and (kind != "tmpfs" or "secret" in place):
                    foreign.append(place)
    except (OSError, ValueError, IndexError):
        return (), ()
    return tuple(foreign), tuple(all_)


def _unescaped(place: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        place = place.replace(code, character)
    return place


def _holds(folder: str, path: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _is_folder(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)


def _kind(mode: int) -> str:
    return KINDS.get(stat.S_IFMT(mode), "no file")
