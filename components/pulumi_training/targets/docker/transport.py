"""A Docker daemon as a transport: exec, the archive call, attach; its errors in our words."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

from ..containers.transport import NodeEnded, NodeState, Ran, Transport
from . import nodes
from .engine import asking, require_gpus
from .exec_stream import ExecStream

if TYPE_CHECKING:
    import docker

    from ..containers.tar_upload import Fill
    from ..containers.transport import Address, Take
    from ..contract.handle import Handle
    from ..contract.plan import Plan
    from ..contract.run import RunSpec

_WAIT_SECONDS = 10
_WORDS = 20
"""Lines of an ended container's own words."""
_PAUSE_SECONDS = 1.0


class DockerTransport(Transport):
    """See `Transport`; references are containers' ids or names."""

    reads_ended = True
    puts_before_start = True

    def __init__(self, client: docker.DockerClient, address: Address) -> None:
        self._client = client
        self._address = address

    def create(self, plan: Plan, run: RunSpec, gpus: Sequence[int]) -> list[str]:
        """See `Backend.create`; `gpus` are the ids of those that the attempt holds, for all nodes together."""
        with asking(self._address):
            require_gpus(self._client, self._address, plan.gpus)
            return nodes.create(self._client, plan, run, gpus)

    def require_own_volume(self, node: Mapping[str, object], run: RunSpec) -> None:
        """See `Backend.require_own_node`."""
        with asking(self._address):
            nodes.require_own_volume(self._client, node, run)

    def of_workspace(self, compute: Mapping[str, object], store: str) -> set[tuple[str, int, str, str]]:
        """The attempts of a workspace that have containers, as `Handle.key` tells them."""
        with asking(self._address):
            return nodes.of_workspace(self._client, compute, store)

    def left(self) -> set[tuple[str, int, str, str]]:
        """The attempts that have anything here, made from this user's state folder, as `Handle.key` tells them."""
        with asking(self._address):
            return nodes.left(self._client)

    def states(self, handle: Handle) -> dict[int, NodeState]:
        """See `Transport.states`."""
        with asking(self._address):
            return nodes.states(self._client, handle)

    def states_of(self, handles: Iterable[Handle]) -> dict[Handle, dict[int, NodeState]]:
        """See `Transport.states_of`."""
        with asking(self._address):
            return nodes.states_of(self._client, handles)

    def command_of(self, node: str) -> Sequence[str]:
        """See `Transport.command_of`."""
        with self._about(node):
            config = self._client.api.inspect_container(node)["Config"]
            return [*config["Entrypoint"], *config["Cmd"]]

    def attach(self, node: str, seconds: float) -> ExecStream:
        """See `Transport.attach`."""
        ways = {"stdin": 1, "stdout": 1, "stream": 1}
        with self._about(node):
            return ExecStream(self._client.api.attach_socket(node, params=ways), seconds)

    def start(self, node: str) -> None:
        """See `Transport.start`."""
        with asking(self._address):
            self._client.api.start(node)

    def last_words(self, node: str) -> tuple[int | None, str]:
        """See `Transport.last_words`; an engine that answers nothing says nothing."""
        import docker.errors

        code, words = None, ""
        with suppress(docker.errors.APIError):
            code = self._client.api.wait(node, timeout=_WAIT_SECONDS)["StatusCode"]
            words = self._client.api.logs(node, tail=_WORDS).decode("utf-8", "replace").strip()
        return code, words

    def exec_stream(self, node: str, command: Sequence[str]) -> ExecStream:
        """See `Transport.exec_stream`."""
        with self._about(node):
            made = self._client.api.exec_create(node, list(command), stdin=True)
            return ExecStream(self._client.api.exec_start(made["Id"], socket=True))

    def run(self, node: str, command: Sequence[str]) -> Ran:
        """See `Transport.run`."""
        with self._about(node):
            made = self._client.api.exec_create(node, list(command))
            output, errors = self._client.api.exec_start(made["Id"], demux=True)
            self._await_end(made["Id"], _WAIT_SECONDS)  # what it says may end a moment before it does
            return Ran(self._client.api.exec_inspect(made["Id"])["ExitCode"], output or b"", errors or b"")

    def run_quietly(self, node: str, command: Sequence[str], seconds: float) -> bool:
        """See `Transport.run_quietly`."""
        with self._about(node):
            made = self._client.api.exec_create(node, list(command), stdout=False, stderr=False)
            self._client.api.exec_start(made["Id"], detach=True)
            return self._await_end(made["Id"], seconds)

    def put_files(
        self, node: str, fill: Fill, owner: Sequence[int] | None = None, *, into: str = "/"
    ) -> None:
        """See `Transport.put_files`."""
        from ..containers.tar_upload import tar_of

        with self._about(node):
            self._client.api.put_archive(node, into, tar_of(fill, owner))

    def take_files(self, node: str, path: str, take: Take) -> bool:
        """See `Transport.take_files`."""
        import docker.errors

        from ..containers.tar_download import read_members

        with asking(self._address):
            try:
                pieces, _ = self._client.api.get_archive(node, path)
            except docker.errors.NotFound:
                return False
            with closing(pieces):  # a daemon whose answer is left half read keeps the container locked
                read_members(pieces, take)
        return True

    def kill(self, states: Iterable[NodeState]) -> None:
        """See `Transport.kill`."""
        with asking(self._address):
            nodes.kill(self._client, states)

    def remove(self, handle: Handle) -> None:
        """See `Transport.remove`."""
        with asking(self._address):
            nodes.remove(self._client, handle)

    def close(self) -> None:
        """See `Transport.close`."""
        self._client.close()

    def _await_end(self, command: str, seconds: float) -> bool:
        began = time.monotonic()
        while self._client.api.exec_inspect(command)["Running"]:
            waited = time.monotonic() - began
            if waited > seconds:
                return False
            time.sleep(min(_PAUSE_SECONDS, max(0.02, waited / 10)))
        return True

    @contextmanager
    def _about(self, node: str) -> Iterator[None]:
        """`asking`; what the daemon refuses because the container ended is `NodeEnded`."""
        is_done = False
        with asking(self._address):
            with nodes.ended_meanwhile(self._client, node):
                yield
                is_done = True
        if not is_done:
            raise NodeEnded(f"container {node[:12]} ended meanwhile")
