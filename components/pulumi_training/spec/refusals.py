"""What this machine's file system refuses, in words that say what to do about it."""

from __future__ import annotations

import errno

FULL = frozenset((errno.ENOSPC, errno.EDQUOT))
"""No room: for bytes, for files (inodes that run out have the same number), or for this user."""
OF_THIS_MACHINE = FULL | {errno.EROFS, errno.EMFILE, errno.ENFILE}
"""What no service far away answers, though drivers and connections raise errors of the same class."""
_ADVICE = {
    errno.ENOSPC: "the disk is full; free some space, or choose {elsewhere}",
    errno.EDQUOT: "the disk quota is used up; free some space, or choose {elsewhere}",
    errno.EROFS: "the file system is read-only; make it writable, or choose {elsewhere}",
    errno.EACCES: "permission denied; give this user write access, or choose {elsewhere}",
    errno.EPERM: "the system does not permit it; give this user write access, or choose {elsewhere}",
    errno.ENOTDIR: "a file is where a folder is needed; choose {elsewhere}",
    errno.EEXIST: "a file is where a folder is needed; choose {elsewhere}",
    errno.EISDIR: "a folder is where a file is needed; choose {elsewhere}",
    errno.ENAMETOOLONG: "the path is too long; choose {elsewhere} with a shorter path",
    errno.EMFILE: "this process has too many open files; raise `ulimit -n`",
    errno.ENFILE: "this machine has too many open files",
    errno.EIO: "the disk reports an input/output error; check it, or choose {elsewhere}",
    errno.ESTALE: "the network file system lost the folder; mount it again",
}


def advice(error: OSError, elsewhere: str = "another store") -> str:
    """What is wrong and what to do about it; `elsewhere` is what may be chosen instead."""
    known = _ADVICE.get(error.errno or 0)
    return known.format(elsewhere=elsewhere) if known else error.strerror or str(error)


def cause(error: BaseException) -> OSError | None:
    """The system's own error that an error is, or was raised from."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, OSError):
        found = found.__cause__
    return found


def is_full(error: BaseException) -> bool:
    """Whether an error says that there is no room, or was raised from one that does."""
    found = cause(error)
    return found is not None and found.errno in FULL


def is_of_this_machine(error: BaseException) -> bool:
    """Whether it is this machine that refused, by an error that no service sends."""
    found = cause(error)
    return found is not None and found.errno in OF_THIS_MACHINE
