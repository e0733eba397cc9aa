"""A node's start: its container begins with `agent.boot`, which takes the files and then waits for orders.

Files come by its standard input where its processes are root's: an archive call costs as much as half of a container's
start. Who is somebody else may not write where the node's disk is mounted, and has them put there before, where the
backend can do that (`Transport.puts_before_start`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...agent import boot
from ...agent.node import LAUNCHED
from ...spec.errors import PermanentError, TransientError
from ...spec.outcome import Reason
from .node_layout import FOLDER, ROOT_USER
from .tar_upload import Fill, Upload, send_files
from .transport import STDOUT, StreamEnded, together

if TYPE_CHECKING:
    from .transport import Transport

PROGRAM = Path(boot.__file__).read_text(encoding="utf-8")
_SECONDS = 60.0
"""The longest wait for a node to take the next piece, or to say that it has everything."""


def first_command(python: str) -> list[str]:
    """The program of a node's container, before `node_words`."""
    return [python, "-I", "-S", "-c", PROGRAM]


def node_words(request: Mapping[str, Any], node: Mapping[str, Any]) -> list[str]:
    """What the first program becomes once it has its files: the agent of a node, as a plan's request has it.

    What launches the run stays for whoever gives the order; nobody orders the other nodes. A node that is alone is asked
    for nothing, and its network may be shared with others' containers.
    """
    alone = ["--bind", "127.0.0.1"] if len(request["nodes"]) == 1 else []
    orders = ["--orders", "1"] if int(node["node"]) == 0 else []
    return [request["agent"][-1], "node", "--secret-file", request["secret_file"], *alone, *orders]


def start_nodes(
    transport: Transport,
    references: Sequence[str],
    request: Mapping[str, Any],
    fill: Fill,
    order: bytes,
    check: Callable[[Mapping[str, Any]], None],
) -> None:
    """Starts every node of a plan's request, gives each its files, and node 0 the order to launch once all have theirs.

    `check` is called with a node while it starts, before anything is written there. Raises as `NodeConnection` does.
    """
    is_alone = len(references) == 1
    with ExitStack() as connections:

        def start(item: tuple[str, Mapping[str, Any]]) -> NodeConnection:
            reference, node = item
            connection = NodeConnection(transport, reference, node["name"])
            connections.callback(connection.close)

            def fill_own(into: Upload) -> None:
                check(node)
                fill(into)

            connection.start(fill_own, request.get("owner"), order if is_alone else b"")
            return connection

        started = together(start, list(zip(references, request["nodes"], strict=True)))
        if not is_alone:
            started[0].order(order)


def launch_order(request: str, variables: Mapping[str, str]) -> bytes:
    """To launch what the request at a path of the node says, with more variables in its environment."""
    return json.dumps({"launch": request, "environment": dict(variables)}).encode() + b"\n"


class UsedBefore(PermanentError):
    """The node's disk has files of an earlier try."""


class NodeConnection:
    """The way to the first process of a node, from before it starts until it has its orders."""

    def __init__(self, transport: Transport, reference: str, name: str) -> None:
        self._transport = transport
        self._reference = reference
        self._name = name
        self._stream = transport.attach(reference, _SECONDS)
        self._pieces = self._stream.pieces()
        self._said = b""

    def start(self, fill: Fill, owner: Sequence[int] | None, order: bytes = b"") -> None:
        """Starts the node and gives it all its files, and an order right behind them if there is one.

        `owner` is whose its processes are.

        Raises:
            UsedBefore: its disk is not new.
            PermanentError: it ended before it had its files, or a file of this machine cannot be read.
            TransientError: it takes nothing.
        """
        sent: Fill | None = fill
        if owner != ROOT_USER and self._transport.puts_before_start:
            self._transport.put_files(self._reference, fill, owner)
            sent = None
        with ThreadPoolExecutor(1, thread_name_prefix="node-start") as pool:
            # Files wait for the node, not it for them.
            sending = pool.submit(self._send, sent, order)
            try:
                self._transport.start(self._reference)
            except BaseException:
                self._stream.shut()
                raise
            with suppress(StreamEnded), self._patience():  # how it ended, is asked next
                sending.result()
        self._await(boot.READY)
        if order:
            self._await(LAUNCHED)

    def order(self, order: bytes) -> None:
        """Gives a node that has its files an order.

        Raises:
            PermanentError: it ended before it could.
            TransientError: it does not answer.
        """
        with suppress(StreamEnded), self._patience():
            self._stream.send(order)
        self._await(LAUNCHED)

    def _send(self, fill: Fill | None, order: bytes) -> None:
        send_files(self._stream.send, fill, FOLDER)
        if order:
            self._stream.send(order)

    def close(self) -> None:
        """Lets go of it; a process that waits for files or orders ends."""
        self._stream.shut()
        self._stream.close()

    def _await(self, word: bytes) -> None:
        while word not in self._said:
            piece = None
            with suppress(OSError), self._patience():
                piece = next(self._pieces, None)
            if piece is None:
                raise self._ended()
            self._said += piece[1] if piece[0] == STDOUT else b""
        self._said = self._said.partition(word)[2]

    @contextmanager
    def _patience(self) -> Iterator[None]:
        try:
            yield
        except TimeoutError as error:
            raise TransientError(
                f"{self._transport.noun} {self._name} does not take its files: {error}"
            ) from error

    def _ended(self) -> Exception:
        code, words = self._transport.last_words(self._reference)
        if code == boot.USED_BEFORE:
            return UsedBefore(Reason.LAUNCH_FAILED, f"the volume of {self._name} has files of an earlier try")
        told = "" if code is None else f" with exit code {code}"
        return PermanentError(
            Reason.NODE_LOST,
            f"{self._transport.noun} {self._name} ended{told} before it was used",
            log_tail=words,
        )
