"""Starting and ending one process with all that it starts in its own group."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # the plain module, without the enums of `signal`
import errno
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SIGKILL, SIGTERM = 9, 15
_IGNORED_BY_PYTHON = (_signal.SIGPIPE, _signal.SIGXFSZ)
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


class Script:
    """A started process that leads its own session; `status` is None while it lives."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.status: int | None = None

    def poll(self) -> bool:
        """Whether it has ended; reaps it the first time."""
        if self.status is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:
                self.status = 0xFF00  # somebody else reaped it: nothing is known, so it is not a success
                return True
            if pid:
                self.status = status
        return self.status is not None

    @property
    def exit_code(self) -> int | None:
        """What it returned; None while it lives and where a signal ended it."""
        return os.WEXITSTATUS(self.status) if self.status is not None and os.WIFEXITED(self.status) else None

    @property
    def signal(self) -> int | None:
        """The signal that ended it."""
        return os.WTERMSIG(self.status) if self.status is not None and os.WIFSIGNALED(self.status) else None

    def send(self, number: int) -> None:
        """Signals the process and its group; what has gone already is no error."""
        for kill in (os.killpg, os.kill):
            if kill is os.kill and self.status is not None:
                return  # reaped: the pid may belong to somebody else by now
            try:
                kill(self.pid, number)
            except ProcessLookupError:
                continue
            except PermissionError:
                continue  # a set-uid program, or macOS's answer for a zombie
            if number != SIGKILL:
                return


def start(
    argv: list[str],
    environment: Mapping[str, str],
    cwd: str,
    output: int,
    *,
    dies_with_parent: bool,
) -> Script:
    """Starts `argv` with `output` as stdout and stderr, /dev/null as stdin, in a session of its own.

    Arguments and environment go over as UTF-8, whatever the locale is. Raises OSError, with a message that
    names what is missing, where the program cannot be started; ValueError for a NUL in an argument.
    """
    words = [word.encode("utf-8", "surrogateescape") for word in argv]
    values = {
        name.encode("utf-8", "surrogateescape"): value.encode("utf-8", "surrogateescape")
        for name, value in environment.items()
    }
    if any(b"\0" in word for word in words):
        raise ValueError("an argument holds a NUL character, which no program can be given")
    prctl = _prctl() if dies_with_parent else None
    parent = os.getpid()
    told, tell = os.pipe()  # both close at exec: the parent reads nothing unless something went wrong
    pid = os.fork()
    if pid == 0:
        _become(words, values, cwd, output, tell, prctl, parent)
    os.close(tell)
    try:
        trouble = os.read(told, 4096)
    finally:
        os.close(told)
    if trouble:
        os.waitpid(pid, 0)
        number, _, name = trouble.decode("utf-8", "replace").partition(" ")
        raise OSError(int(number), os.strerror(int(number)), name)
    return Script(pid)


def adopt_orphans() -> None:
    """Makes this process the parent of what its descendants leave behind (Linux; elsewhere nothing)."""
    prctl = _prctl()
    if prctl is not None:
        prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _become(
    words: list[bytes],
    values: dict[bytes, bytes],
    cwd: str,
    output: int,
    tell: int,
    prctl: Callable[[int, int], object] | None,
    parent: int,
) -> None:
    """The child between fork and exec; never returns."""
    what = cwd
    try:
        os.setsid()
        for number in _IGNORED_BY_PYTHON:
            _signal.signal(number, _signal.SIG_DFL)
        if prctl is not None:
            prctl(_PR_SET_PDEATHSIG, SIGKILL)
            if os.getppid() != parent:  # it died before we asked
                os._exit(137)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        if cwd:
            os.chdir(cwd)
        what = words[0].decode("utf-8", "replace")
        _find_and_exec(words, values)
    except OSError as problem:
        os.write(tell, f"{problem.errno or errno.ENOEXEC} {what}".encode("utf-8", "replace")[:4096])
    finally:
        os._exit(127)


def _find_and_exec(words: list[bytes], values: dict[bytes, bytes]) -> None:
    if b"/" in words[0]:
        os.execve(words[0], words, values)
    last = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    for folder in values.get(b"PATH", b"/usr/local/bin:/usr/bin:/bin").split(b":"):
        try:
            os.execve(os.path.join(folder or b".", words[0]), words, values)
        except (FileNotFoundError, NotADirectoryError):
            continue
    raise last


def _prctl() -> Callable[[int, int], object] | None:
    """Linux's prctl(2), or None where there is none. The lookup is done before fork: it takes locks."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        import ctypes

        prctl: Callable[[int, int], object] = ctypes.CDLL(None).prctl
        return prctl
    except (ImportError, OSError, AttributeError):
        return None
