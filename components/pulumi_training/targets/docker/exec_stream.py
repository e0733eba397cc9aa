"""A process in a container, talked to: its standard input and what it says, over one connection to the daemon."""

from __future__ import annotations

import select
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from ..containers.transport import Stream, StreamEnded

_HEAD = struct.Struct(">BxxxL")
"""Before each piece of the engine's stream: which of the two outputs, and how many bytes."""
_PIECE = 1 << 20


class ExecStream(Stream):
    """What `exec_start(socket=True)` and `attach_socket` of the SDK answer.

    `seconds` is the longest wait for the other side to take or to say something; None waits for ever.

    One thread may send while another reads. Only the reader closes: a descriptor that is closed while it is being
    read is given to the next file or connection that is opened, and the reader would take that one's bytes.
    """

    def __init__(self, raw: Any, seconds: float | None = None) -> None:
        self._raw = raw
        self._seconds = seconds
        self._socket = getattr(raw, "_sock", raw)
        self._socket.settimeout(seconds)
        self._talk = threading.Lock()  # a TLS connection serves one thread at a time
        self._waiting = select.poll()
        self._waiting.register(self._socket, select.POLLIN)

    def send(self, data: bytes) -> None:
        """Sends to standard input. Raises StreamEnded, or TimeoutError."""
        with self._talk:
            try:
                self._socket.sendall(data)
            except TimeoutError:
                raise
            except OSError as error:
                raise StreamEnded(str(error)) from error

    def pieces(self) -> Iterator[tuple[int, bytes]]:
        """What comes, with which of the two outputs it came from, until the connection ends.

        Raises OSError where it breaks, or TimeoutError.
        """
        while head := self._read(_HEAD.size):
            kind, length = _HEAD.unpack(head)
            yield kind, self._read(length)

    def shut(self) -> None:
        """Ends both ways; whoever reads or sends sees that."""
        with suppress(OSError):  # the other side was faster
            # Not TLS's own, which waits for nobody who sends or reads: both would go on in plain text.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def close(self) -> None:
        """Frees the connection."""
        for closing in (self._raw, self._socket):
            with suppress(OSError):
                closing.close()

    def _read(self, count: int) -> bytes:
        """So many bytes, or none where the stream ends before.

        Not the SDK's own reading: that waits for the descriptor, while TLS has the bytes decrypted already.
        """
        parts: list[bytes] = []
        while count:
            with self._talk:
                self._socket.settimeout(0)
                try:
                    part = self._socket.recv(min(count, _PIECE))
                except (BlockingIOError, ssl.SSLWantReadError):
                    part = None
                finally:
                    self._socket.settimeout(self._seconds)
            if part is None:
                if not self._waiting.poll(None if self._seconds is None else self._seconds * 1000):
                    raise TimeoutError(f"nothing came for {self._seconds:g} s")
            elif part:
                parts.append(part)
                count -= len(part)
            else:
                return b""
        return b"".join(parts)
