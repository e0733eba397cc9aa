"""A node's start: its container begins with `agent.boot`, which takes the files and then waits for orders.

Files come by its standard input where its processes are root's: the engine's archive call costs as much as half of a
container's start. Who is somebody else may not write where the volume is mounted, and has them put there before.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ...agent import boot
from ...agent.node import LAUNCHED
from ...spec.errors import PermanentError, TransientError
from ...spec.outcome import Reason
from ..containers.node_layout import FOLDER, ROOT_USER
from ..containers.tar_upload import Fill, send_files, tar_of
from .exec_stream import STDOUT, Stream, StreamEnded

if TYPE_CHECKING:
    import docker

PROGRAM = Path(boot.__file__).read_text(encoding="utf-8")
_SECONDS = 60.0
"""The longest wait for a node to take the next piece, or to say that it has everything."""
_WAIT_SECONDS = 10
_WORDS = 20
"""Lines of an ended container's own words."""


def launch_order(request: str, variables: Mapping[str, str]) -> bytes:
    """To launch what the request at a path of the node says, with more variables in its environment."""
    return json.dumps({"launch": request, "environment": dict(variables)}).encode() + b"\n"


class UsedBefore(PermanentError):
    """The node's volume has files of an earlier try."""


class Line:
    """The way to the first process of a node's container, from before it starts until it has its orders."""

    def __init__(self, client: docker.DockerClient, container: str, name: str) -> None:
        self._client = client
        self._container = container
        self._name = name
        ways = {"stdin": 1, "stdout": 1, "stream": 1}
        self._stream = Stream(client.api.attach_socket(container, params=ways), _SECONDS)
        self._pieces = self._stream.pieces()
        self._said = b""

    def start(self, fill: Fill, owner: Sequence[int] | None, order: bytes = b"") -> None:
        """Starts the container and gives it all its files, and an order right behind them if there is one.

        `owner` is whose its processes are.

        Raises:
            UsedBefore: its volume is not new.
            PermanentError: it ended before it had its files, or a file of this machine cannot be read.
            TransientError: it takes nothing.
        """
        sent: Fill | None = fill
        if owner != ROOT_USER:
            self._client.api.put_archive(self._container, "/", tar_of(fill, owner))
            sent = None
        with ThreadPoolExecutor(1, thread_name_prefix="handover") as pool:
            # Files wait for the container, not it for them.
            sending = pool.submit(self._send, sent, order)
            try:
                self._client.api.start(self._container)
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
            raise TransientError(f"container {self._name} does not take its files: {error}") from error

    def _ended(self) -> Exception:
        import docker.errors

        code, words = None, ""
        with suppress(docker.errors.APIError):
            code = self._client.api.wait(self._container, timeout=_WAIT_SECONDS)["StatusCode"]
            words = self._client.api.logs(self._container, tail=_WORDS).decode("utf-8", "replace").strip()
        if code == boot.USED_BEFORE:
            return UsedBefore(Reason.LAUNCH_FAILED, f"the volume of {self._name} has files of an earlier try")
        told = "" if code is None else f" with exit code {code}"
        return PermanentError(
            Reason.NODE_LOST, f"container {self._name} ended{told} before it was used", log_tail=words
        )
