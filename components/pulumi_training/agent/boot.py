"""The first program of a machine that has no file of ours yet: takes files from its standard input, then runs one.

It is passed whole to `python -I -S -c`, with the words of the program that takes over. Each entry is a head, its
path, and what belongs to it: `n` refuses a place that exists, `d` is a folder, `f` a file, `z` a file of zeros,
`l` a link; `x` is the last. A stream that ends before it ends this process, so that nothing half given is ever run.
"""

from __future__ import annotations

import os
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

HEAD = struct.Struct(">cIdQI")
"""Kind, mode, time of change (seconds since 1970; 0 is now), bytes that follow the path, bytes of the path."""
DEFAULTS = {b"d": 0o755, b"f": 0o644, b"z": 0o644}
"""Modes that the umask gives: they are not set again."""
READY = b"ready\n"
"""Said when everything is unpacked."""
USED_BEFORE, CUT_SHORT = 73, 74
"""Exit codes."""
PIECE = 1 << 20
ZEROS = bytes(PIECE)


def unpack(stream: BinaryIO) -> None:
    """Takes every entry. Raises SystemExit where the stream is cut short or a place is not new."""
    os.umask(0o022)
    while True:
        kind, mode, changed, size, length = HEAD.unpack(take(stream, HEAD.size))
        path = os.fsdecode(take(stream, length))
        if kind == b"x":
            return
        if kind == b"n" and os.path.lexists(path):
            raise SystemExit(USED_BEFORE)
        if kind == b"d":
            os.makedirs(path, exist_ok=True)
        elif kind == b"l":
            os.symlink(os.fsdecode(take(stream, size)), path)
        elif kind == b"f":
            with open(path, "wb") as file:  # noqa: PTH123
                while size:
                    piece = take(stream, min(size, PIECE))
                    if piece == ZEROS[: len(piece)]:
                        file.seek(len(piece), os.SEEK_CUR)  # a hole stays one
                    else:
                        file.write(piece)
                    size -= len(piece)
                file.truncate()
            if changed:
                os.utime(path, (changed, changed))
        elif kind == b"z":
            with open(path, "wb") as file:  # noqa: PTH123
                file.write(bytes(size))
        if mode != DEFAULTS.get(kind, mode):
            os.chmod(path, mode)


def take(stream: BinaryIO, count: int) -> bytes:
    """So many bytes. Raises SystemExit where there are fewer."""
    data = stream.read(count)
    if len(data) < count:
        raise SystemExit(CUT_SHORT)
    return data


def main() -> None:
    """Unpacks, says so, and becomes the program that the arguments name."""
    unpack(sys.stdin.buffer)
    os.write(1, READY)
    del sys.argv[0]
    with open(sys.argv[0], "rb") as file:  # noqa: PTH123
        program = compile(file.read(), sys.argv[0], "exec")
    exec(program, {"__name__": "__main__", "__file__": sys.argv[0]})


if __name__ == "__main__":
    main()
