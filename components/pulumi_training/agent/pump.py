"""Brings a script's output to its log with the secrets masked; used only where a run has secrets."""

from __future__ import annotations

import os
import select
import time

from .mask import Masker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

READ_BYTES = 65536
LAST_SECONDS = 1.0
"""How long output is awaited after the script's end: what it left behind may hold the pipe for ever."""


class Pump:
    """A pipe whose `write_end` is the script's stdout and stderr; memory stays flat."""

    def __init__(self, log: int, secrets: Iterable[str]) -> None:
        self._log = log
        self._masker = Masker(secrets)
        self._lost = 0
        self._read_end, self.write_end = os.pipe()
        self.is_open = True

    def fileno(self) -> int:
        """For poll: readable means `move` has something to do."""
        return self._read_end

    def started(self) -> None:
        """Call it once the script has its own copy of the write end."""
        os.close(self.write_end)

    def move(self) -> None:
        """Takes one piece from the pipe to the log."""
        piece = os.read(self._read_end, READ_BYTES)
        if piece:
            self._write(self._masker.feed(piece))
        else:
            self._finish()

    def drain(self) -> None:
        """Takes what is still in the pipe after the script's end."""
        end = time.monotonic() + LAST_SECONDS
        while self.is_open and time.monotonic() < end:
            if select.select([self._read_end], [], [], 0.1)[0]:
                self.move()
            else:
                break
        if self.is_open:
            self._finish()

    def _finish(self) -> None:
        self._write(self._masker.finish())
        self.is_open = False
        os.close(self._read_end)

    def _write(self, data: bytes) -> None:
        """Puts it into the log; what a full disk does not take is counted, for the script must not wait or end."""
        if self._lost:
            data = f"agent: {self._lost} bytes of output could not be written here\n".encode() + data
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._log, view) :]
            self._lost = 0
        except OSError:
            self._lost += len(view)
