"""The code that supervisors run: a copy of this package that no upgrade and no `git pull` touches.

A supervisor lives as long as its run does, days perhaps, and Python loads a module when it is first needed. Out of
the installed package that would be a module of another version by then, or none at all. One copy serves all
supervisors of a version; it lies beside the agent's, in the user's cache.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..environment import cache
from ..record.files import try_lock

log = logging.getLogger(__name__)
_INSTALLED = Path(__file__).resolve().parents[2]
_PACKAGE = Path(__file__).resolve().parents[1].name
_UNUSED = frozenset(("cli", "client", "provider", "resources", "schema", "__pycache__"))
"""What no supervisor loads: nothing that it does load is above these layers."""
_TRIES = 3
_KEPT = 4
_KEPT_SECONDS = 86400.0
"""How many copies stay whatever happens, and for how long one stays after it was last taken."""
_LOCKS = "locks"


@contextmanager
def own_code() -> Iterator[tuple[list[str], int | None]]:
    """The folders for a supervisor's `sys.path`, and a descriptor that keeps the copy for whoever inherits it.

    The copy comes first, made now where this version has none; then the folder of the installed package, for what
    else is installed there. Where no copy can be made, as in a cache that is read-only, it is that folder alone.
    """
    copy, lock = _kept(), None
    try:
        if copy is not None:
            lock = os.open(_lock_of(copy), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o666)
            fcntl.flock(lock, fcntl.LOCK_SH)
    except OSError as error:
        log.warning("supervisors run from %s, which an upgrade changes under them: %s", _INSTALLED, error)
        copy = None
    try:
        yield [str(_INSTALLED)] if copy is None else [str(copy), str(_INSTALLED)], lock
    finally:
        if lock is not None:
            os.close(lock)


def _kept() -> Path | None:
    """The copy, found once in a process: what this one has loaded is of that version too."""
    known = _found.get(_home())
    if known is not None and (known / _PACKAGE / "__init__.py").exists():
        return known
    try:
        for _ in range(_TRIES):
            copy = _copy()
            if copy is not None:
                os.utime(copy)
                _found[_home()] = copy
                return copy
    except OSError as error:
        log.warning("supervisors run from %s, which an upgrade changes under them: %s", _INSTALLED, error)
    return None


def _home() -> Path:
    return cache.root().parent / "supervisor"


def _copy() -> Path | None:
    """The copy of what is installed now; None where that changed while it was copied."""
    import shutil
    import tempfile  # supervisors load this module, and never get here

    files = dict(_files())
    copy = _home() / _digest(files)
    if (copy / _PACKAGE / "__init__.py").exists():
        return copy
    _home().mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".new-", dir=_home()))
    try:
        for name in files:
            _copy_file(_INSTALLED / _PACKAGE / name, temporary / _PACKAGE / name)
        if dict(_files()) != files:
            return None
        temporary.chmod(0o755)
        try:
            os.rename(temporary, copy)
        except OSError:
            if not (copy / _PACKAGE).is_dir():  # another process was faster: that is as good
                raise
        _remove_old()
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return copy


def _copy_file(source: Path, target: Path) -> None:
    """Copies a module with its time, by which Python knows that the compiled one beside it belongs to it."""
    import importlib.util
    import shutil

    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target)
    compiled = Path(importlib.util.cache_from_source(str(source)))
    if compiled.exists():
        beside = Path(importlib.util.cache_from_source(str(target)))
        beside.parent.mkdir(exist_ok=True)
        shutil.copy2(compiled, beside)


def _files(below: str = "") -> Iterator[tuple[str, tuple[int, int]]]:
    """Every module that a supervisor may load: its path in the package, its size and its time."""
    with os.scandir(_INSTALLED / _PACKAGE / below) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            name = f"{below}{entry.name}"
            if entry.is_dir():
                if entry.name not in _UNUSED:
                    yield from _files(f"{name}/")
            elif name.endswith(".py"):
                found = entry.stat()
                yield name, (found.st_size, found.st_mtime_ns)


def _digest(files: dict[str, tuple[int, int]]) -> str:
    import hashlib

    words = f"{_INSTALLED}\0{sys.implementation.cache_tag}\0{sorted(files.items())}"
    return hashlib.sha256(words.encode()).hexdigest()[:16]


def _remove_old() -> None:
    """Removes copies that no process runs from: all but the newest ones, and those used a while ago."""
    import shutil

    copies = sorted(
        (path for path in _home().iterdir() if path.name != _LOCKS and not path.name.startswith(".")),
        key=lambda path: path.stat().st_mtime,
    )
    for copy in copies[:-_KEPT]:
        if time.time() - copy.stat().st_mtime < _KEPT_SECONDS:
            continue
        lock = os.open(_lock_of(copy), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o666)
        try:
            if try_lock(lock):
                shutil.rmtree(copy, ignore_errors=True)
        finally:
            os.close(lock)


def _lock_of(copy: Path) -> Path:
    folder = copy.parent / _LOCKS
    folder.mkdir(exist_ok=True)
    return folder / f"{copy.name}.lock"


_found: dict[Path, Path] = {}
"""By the folder of all copies: the one that this process found or made."""
