"""One live attempt, followed: its containers' states, the streams of its nodes, and the moment it is over."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...spec.errors import TrainingError
from ...spec.outcome import Status
from ..containers.conclusion import Conclusion, LostNode, concluded, note_killed, read_json, was_killed
from ..containers.node_layout import FOLDER
from ..contract.handle import ComputeReference, Handle
from ..contract.observation import Observation
from . import nodes
from .engine import asking, connect
from .fetch import read_file
from .links import keep
from .locate import daemon_of, learn_mark, reaching, require_own_daemon
from .mark import MARK
from .nodes import NodeState

if TYPE_CHECKING:
    import docker

    from .shipment import Shipment

# What brings files is imported by the methods that do: before an attempt was submitted there are none.

_LOOK_SECONDS = 1.0
_LAST_WORDS_SECONDS = 2.0
"""How long node 0 has to tell its side of a lost node, before we end the run."""
_AGAIN_SECONDS = 0.1
_FLUSH_SECONDS = 20.0
_FIRST_WORD_SECONDS = 5.0
_RESTART_SECONDS = 0.5
_REFUSED_SECONDS = 3.0
"""Between two tries to write what a node sends where this machine refuses it."""


class Followed:
    """An attempt as this process follows it; one of them serves all who ask."""

    def __init__(self, handle: Handle, mark: Mapping[str, Any]) -> None:
        self._handle = handle
        self._folder = Path(handle.folder)
        self._mark = mark
        self._client: docker.DockerClient | None = None
        self._states: dict[int, NodeState] = {}
        self._shipments: dict[int, Shipment] = {}
        self._next_start = 0.0
        self._seen = self._judged = float("-inf")
        """When the containers' states were asked for, and which of them were judged."""
        self._has_ended = False
        self._lost: dict[int, LostNode] = {}
        self._lost_at: float | None = None
        self._has_begun = bool(mark.get("begun"))
        self._lock = threading.Lock()

    @property
    def address(self) -> dict[str, str]:
        """Its daemon's."""
        return {name: self._mark[name] for name in ("docker_host", "tls") if name in self._mark}

    @property
    def is_due(self) -> bool:
        """Whether a look would ask the daemon."""
        return time.monotonic() >= self._seen + _LOOK_SECONDS

    def look(self, states: dict[int, NodeState] | None = None) -> Observation:
        """Where it stands; `states` are its containers' where somebody asked a moment ago.

        Raises:
            TransientError: the daemon does not answer.
            StoreError: this machine cannot keep what comes.
        """
        with self._lock:
            conclusion = Conclusion.read(self._folder)
            if conclusion is not None:
                return concluded(self._folder, conclusion, MARK)
            with asking(self._mark):
                if states is not None:
                    self._states, self._seen = states, time.monotonic()
                return self._look()

    def mirror(self) -> bool:
        """Sees that every node's stream is followed. True once all that there is has come, and nothing more will.

        Raises:
            TransientError: the daemon does not answer.
            StoreError: this machine cannot keep what comes.
        """
        with self._lock:
            if Conclusion.read(self._folder) is not None:
                return True
            with asking(self._mark):
                client, now = self._connected(), time.monotonic()
                if self._see(client, now) and self._begun(client):
                    self._follow_nodes(client, now)
            return False

    def close(self) -> None:
        """Lets go of the streams and the connection."""
        for shipment in self._shipments.values():
            shipment.close()
        self._shipments.clear()
        if self._client is not None:
            self._client.close()
            self._client = None

    def _connected(self) -> docker.DockerClient:
        if self._client is None:
            self._client = connect(self._mark)
        return self._client

    def _see(self, client: docker.DockerClient, now: float) -> bool:
        """Asks for the containers' states where it is time; whether there are containers."""
        if now >= self._seen + _LOOK_SECONDS or any(each.is_over for each in self._shipments.values()):
            self._states, self._seen = nodes.states(client, self._handle), now
        return bool(self._states)

    def _look(self) -> Observation:
        client, now = self._connected(), time.monotonic()
        self._see(client, now)
        if self._seen != self._judged:
            self._judged = self._seen
            if not self._begun(client):
                return Observation(Status.NOT_STARTED)
            self._note_lost(now)
            self._has_ended = 0 not in self._shipments and self._left_last_word(client)
        state = self._shipments[0].state if 0 in self._shipments else None
        if state in ("ended", "gone") or self._has_ended or 0 in self._lost:
            return self._conclude(client)
        if self._lost_at is not None and now > self._lost_at + _LAST_WORDS_SECONDS:
            return self._conclude(client)
        return Observation(Status.RUNNING)

    def _left_last_word(self, client: docker.DockerClient) -> bool:
        """Whether the run is over, asked of node 0's files: nobody follows its stream."""
        first = self._states.get(0)
        return first is not None and read_file(client, first.id, f"{FOLDER}/launch/end.json") is not None

    def _begun(self, client: docker.DockerClient) -> bool:
        """Whether scripts may have been started: the agent's lock is in node 0, if nobody had time to say so."""
        if self._has_begun:
            return True
        first = self._states.get(0)
        if first is not None and read_file(client, first.id, f"{FOLDER}/launch/agent.lock") is not None:
            self._has_begun = True
            MARK.write(self._folder, {**self._mark, "begun": True})
        return self._has_begun

    def _note_lost(self, now: float) -> None:
        for number, name in enumerate(self._mark["nodes"]):
            state = self._states.get(number) or NodeState(number, "", name, "gone")
            if not state.is_running and number not in self._lost:
                self._lost[number] = LostNode(state.words, state.ended_at)
                self._lost_at = self._lost_at or now

    def _follow_nodes(self, client: docker.DockerClient, now: float) -> None:
        for number, shipment in list(self._shipments.items()):
            if shipment.is_over:
                shipment.close()
                del self._shipments[number]
                if shipment.refused is not None:
                    self._next_start = now + _REFUSED_SECONDS
                    raise shipment.refused
        if now < self._next_start:
            return
        from .shipment import Shipment

        for number, state in self._states.items():
            if number not in self._shipments and state.is_running:
                self._next_start = now + _RESTART_SECONDS
                with nodes.ended_meanwhile(client, state.id):
                    self._shipments[number] = Shipment(
                        client, state.id, self._mark["agent"], self._folder, number
                    )
        if 0 in self._shipments:
            self._shipments[0].wait(_FIRST_WORD_SECONDS)

    def _conclude(self, client: docker.DockerClient) -> Observation:
        """Brings every fact, ends what is left, and notes that it is over."""
        from .bring import bring_facts

        # The agent may have told of a lost node before the next look at containers was due: it has no name for it.
        self._states = nodes.states(client, self._handle)
        self._note_lost(time.monotonic())
        keep(client, self._states.values(), self._mark)
        for number, state in sorted(self._states.items()):
            shipment = self._shipments.get(number)
            if shipment is None or not shipment.flush(_FLUSH_SECONDS):
                bring_facts(client, state.id, self._folder, number)
        end = read_json(self._folder / "launch" / "end.json")
        by_us = was_killed(self._folder)
        if end and not by_us:
            self._await_words_of_lost(client, end)
        conclusion = Conclusion({} if by_us else self._lost_before(end))
        if not end:
            note_killed(self._folder)
        nodes.kill(client, self._states.values())
        conclusion.write(self._folder)
        self.close()
        return concluded(self._folder, conclusion, MARK)

    def _await_words_of_lost(self, client: docker.DockerClient, end: Mapping[str, Any]) -> None:
        """The agent sees a broken connection at once; a busy daemon tells of the container's end a little later."""
        deadline = time.monotonic() + _LAST_WORDS_SECONDS
        while (now := time.monotonic()) < deadline and not _told_lost(end) <= set(self._lost):
            time.sleep(_AGAIN_SECONDS)
            self._states = nodes.states(client, self._handle)
            self._note_lost(now)

    def _lost_before(self, end: Mapping[str, Any]) -> dict[int, LostNode]:
        """Nodes that went before the run's last word; what ended after it, was ended.

        One that the agent tells of went before, whenever the daemon took notice.
        """
        if not end:
            return self._lost
        told, ended_at = _told_lost(end), float(end.get("ended_at") or 0.0)
        return {
            node: lost
            for node, lost in self._lost.items()
            if node in told or lost.ended_at is None or lost.ended_at <= ended_at
        }


def _told_lost(end: Mapping[str, Any]) -> set[int]:
    return {int(node) for node in end.get("lost_nodes") or ()}


_followed: dict[str, Followed] = {}
_following = threading.Lock()


def follow(compute: ComputeReference, handle: Handle) -> Followed | None:
    """The attempt as this process follows it; None where nothing of it is at its daemon.

    One that was submitted from another folder, as on another machine, is found by its labels.

    Raises:
        TransientError: the daemon does not answer, or cannot be asked from here.
    """
    with _following:
        found = _followed.get(handle.folder)
    if found is not None:
        return found
    mark = MARK.read(Path(handle.folder)) or _learned(compute, handle)
    if not mark:
        return None
    with _following:
        return _followed.setdefault(handle.folder, Followed(handle, mark))


def _learned(compute: ComputeReference, handle: Handle) -> Mapping[str, Any]:
    address = daemon_of(compute, handle, {})
    if not address:
        return {}
    with reaching(address) as client:
        states = nodes.states(client, handle)
        if not states:
            require_own_daemon(handle, address)
        return learn_mark(client, handle, address, states)


def let_go(folder: str) -> None:
    """Stops following."""
    with _following:
        found = _followed.pop(folder, None)
    if found is not None:
        found.close()


def _handle_of(mark: Mapping[str, Any], folder: Path) -> Handle:
    return Handle("docker", mark["run_id"], int(mark["attempt"]), str(folder), store=mark.get("store", ""))


def is_live(folder: Path) -> bool:
    """Whether containers of an attempt run, so that its slots are taken; a daemon that is silent counts as yes."""
    mark = MARK.read(folder)
    if not mark.get("begun") or Conclusion.read(folder) is not None:
        return False
    try:
        with asking(mark):
            client = connect(mark)
            try:
                found = nodes.states(client, _handle_of(mark, folder))
            finally:
                client.close()
    except TrainingError:
        return True
    return any(state.is_running for state in found.values())
