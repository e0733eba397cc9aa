"""The line between `agent run` and its ranks, and the proof that both know the run's secret.

A Unix socket where one machine is enough, else TCP; one JSON object a line. The server speaks first: a nonce. The
client's first line carries the HMAC-SHA256 of nonce and message under the secret, so a recorded line is worth nothing
on another connection. The server's answer to it is `ADMITTED`: until then the client may have to come again.
"""

from __future__ import annotations

import _socket  # the plain module: `socket` builds enums and selectors, which every rank would pay for
import os
from _operator import _compare_digest  # what `hmac` uses

from .plainjson import dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ADDRESS_VARIABLE = "TRAINING_AGENT_ADDRESS"
SECRET_VARIABLE = "TRAINING_AGENT_SECRET"
PORT_VARIABLE = "TRAINING_AGENT_PORT"
DEFAULT_PORT = 6118
LINE_LIMIT = 1 << 20
SEND_SECONDS = 2.0
BACKLOG = 1024
ADMITTED = {"do": "go on"}
"""What the server says to who has proven to know the secret."""


class ChannelClosed(Exception):
    """The other side is gone, or is not who it must be."""


class Channel:
    """One connection; lines that have not fully come stay in its buffer."""

    def __init__(self, sock: _socket.socket) -> None:
        self._socket = sock
        self._buffer = b""

    def fileno(self) -> int:
        """For poll."""
        return self._socket.fileno()

    def send(self, message: dict[str, Any]) -> None:
        """Sends one message. Raises ChannelClosed."""
        self.send_line(dumps(message).encode("ascii"))

    def send_line(self, line: bytes) -> None:
        """Sends one raw line. Raises ChannelClosed."""
        try:
            self._socket.sendall(line + b"\n")
        except OSError as problem:
            raise ChannelClosed(str(problem)) from problem

    def receive(self, limit: int = LINE_LIMIT) -> list[bytes]:
        """Reads what is there (call it when poll says so) and answers the whole lines. Raises ChannelClosed.

        `limit` is what a line may have, in bytes.
        """
        if b"\n" not in self._buffer:
            self._fill(limit)
        *lines, self._buffer = self._buffer.split(b"\n")
        return lines

    def read_line(self) -> bytes:
        """Waits for one line, and leaves what came behind it to `receive`; for the handshake. Raises ChannelClosed."""
        while b"\n" not in self._buffer:
            self._fill(LINE_LIMIT)
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _fill(self, limit: int) -> None:
        try:
            piece = self._socket.recv(65536)
        except OSError as problem:
            raise ChannelClosed(str(problem)) from problem
        if not piece or len(self._buffer) + len(piece) > limit:
            raise ChannelClosed("closed" if not piece else "a line without end")
        self._buffer += piece

    def keep_waiting(self) -> None:
        """Lets a receive wait as long as the other side lives."""
        self._socket.settimeout(None)

    def close(self) -> None:
        """Ends the connection."""
        self._socket.close()


def listen(address: str, port: int = 0) -> _socket.socket:
    """A listening TCP socket on `address` (IPv4; "" for all). Raises OSError."""
    server = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    server.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
    server.bind((address, port))
    server.listen(BACKLOG)
    return server


def listen_at(path: str) -> _socket.socket:
    """A listening Unix socket at `path`, which only this user can reach in a folder of mode 0700. Raises OSError.

    A path may have 108 bytes (unix(7)), 104 on macOS.
    """
    server = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        server.bind(path)
        server.listen(BACKLOG)
    except OSError:
        server.close()
        raise
    return server


def accept(server: _socket.socket) -> tuple[_socket.socket, str]:
    """The next connection, with a send that cannot block for ever, and its machine's address, empty for this one's."""
    fd, peer = server._accept()  # type: ignore[attr-defined]
    sock = _socket.socket(fileno=fd)
    return tune(sock, SEND_SECONDS), peer[0] if isinstance(peer, tuple) else ""


def connect(address: str, seconds: float) -> Channel:
    """Connects to "host:port" or the path of a Unix socket. Raises ChannelClosed when nobody answers in `seconds`."""
    try:
        if address.startswith("/"):
            sock, target = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM), address
        else:
            sock, target = _tcp(address)
        sock.settimeout(seconds)
        sock.connect(target)
    except (OSError, ValueError) as problem:
        raise ChannelClosed(f"{address}: {problem}") from problem
    return Channel(tune(sock, seconds))


def tune(sock: _socket.socket, seconds: float) -> _socket.socket:
    """Small messages go at once, a silent death of the other machine is noticed, nothing blocks for ever."""
    sock.settimeout(seconds)
    if sock.family != _socket.AF_UNIX:
        sock.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_KEEPALIVE, 1)
    return sock


def _tcp(address: str) -> tuple[_socket.socket, Any]:
    host, _, port = address.rpartition(":")
    found = _socket.getaddrinfo(host.encode("ascii"), int(port), 0, _socket.SOCK_STREAM)
    family, kind, number, _, target = found[0]
    return _socket.socket(family, kind, number), target


def new_nonce() -> bytes:
    """A fresh challenge, printable."""
    return os.urandom(16).hex().encode("ascii")


def prove(secret: str, nonce: bytes, message: dict[str, Any]) -> bytes:
    """The first line of a client: its message and the proof."""
    body = dumps(message)
    return dumps({"body": body, "proof": _mac(secret, nonce, body)}).encode("ascii")


def check_proof(secret: str, nonce: bytes, line: bytes) -> dict[str, Any]:
    """The message in a client's first line. Raises ChannelClosed where the proof is wrong."""
    try:
        envelope = loads(line.decode("utf-8"))
        body, proof = str(envelope["body"]), str(envelope["proof"])
        if _compare_digest(_mac(secret, nonce, body).encode(), proof.encode("utf-8", "replace")):
            message = loads(body)
            if isinstance(message, dict):
                return message
    except (ValueError, KeyError, TypeError, RecursionError) as problem:
        raise ChannelClosed("not a proof") from problem
    raise ChannelClosed("wrong proof")


def node_port() -> int:
    """The port that `agent node` listens on, on every node of a run."""
    return int(os.environ.get(PORT_VARIABLE, "") or DEFAULT_PORT)


def _mac(secret: str, nonce: bytes, body: str) -> str:
    """HMAC-SHA256 as RFC 2104 has it; `hmac` and `hashlib` would load OpenSSL in every rank."""
    key = secret.encode("utf-8")
    if len(key) > 64:
        key = _sha256(key)
    key = key.ljust(64, b"\0")
    inner = _sha256(bytes(byte ^ 0x36 for byte in key) + nonce + b"\n" + body.encode("utf-8"))
    return _sha256(bytes(byte ^ 0x5C for byte in key) + inner).hex()


def _sha256(data: bytes) -> bytes:
    for module in ("_sha2", "_sha256", "hashlib"):  # Python 3.12 and later, before, and any
        try:
            digest: bytes = __import__(module).sha256(data).digest()
        except (ImportError, AttributeError):
            continue
        return digest
    raise RuntimeError("this Python has no SHA-256")
