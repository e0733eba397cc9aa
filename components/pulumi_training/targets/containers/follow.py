"""One live attempt, followed: its nodes' states, their streams, and the moment it is over."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...spec.outcome import Status
from ..contract.handle import Handle
from ..contract.observation import Observation
from .backend import Backend, of_this_machine, was_launched
from .conclusion import Conclusion, LostNode, concluded, note_killed, read_json, was_killed
from .node_layout import FOLDER
from .transport import NodeEnded, NodeState

if TYPE_CHECKING:
    from .log_shipping import LogShipping
    from .transport import Transport

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

    def __init__(self, backend: Backend[Any], handle: Handle, mark: Mapping[str, Any]) -> None:
        self._backend = backend
        self._handle = handle
        self._folder = Path(handle.folder)
        self._mark = mark
        self._transport: Transport | None = None
        self._states: dict[int, NodeState] = {}
        self._shipments: dict[int, LogShipping] = {}
        self._next_start = 0.0
        self._seen = self._judged = float("-inf")
        """When the nodes' states were asked for, and which of them were judged."""
        self._has_ended = False
        self._lost: dict[int, LostNode] = {}
        self._lost_at: float | None = None
        self._has_begun = bool(mark.get("begun"))
        self._lock = threading.Lock()

    @property
    def address(self) -> dict[str, str]:
        """Its backend's."""
        return self._backend.address_in(self._mark)

    @property
    def is_due(self) -> bool:
        """Whether a look would ask the backend."""
        return time.monotonic() >= self._seen + _LOOK_SECONDS

    def look(self, states: dict[int, NodeState] | None = None) -> Observation:
        """Where it stands; `states` are its nodes' where somebody asked a moment ago.

        Raises:
            TransientError: the backend does not answer.
            StoreError: this machine cannot keep what comes.
        """
        with self._lock:
            conclusion = Conclusion.read(self._folder)
            if conclusion is not None:
                return concluded(self._folder, conclusion, self._backend.mark)
            with of_this_machine():
                if states is not None:
                    self._states, self._seen = states, time.monotonic()
                return self._look()

    def mirror(self) -> bool:
        """Sees that every node's stream is followed. True once all that there is has come, and nothing more will.

        Raises:
            TransientError: the backend does not answer.
            StoreError: this machine cannot keep what comes.
        """
        with self._lock:
            if Conclusion.read(self._folder) is not None:
                return True
            with of_this_machine():
                transport, now = self._connected(), time.monotonic()
                if self._see(transport, now) and self._begun(transport):
                    self._follow_nodes(transport, now)
            return False

    def close(self) -> None:
        """Lets go of the streams and the connection."""
        for shipment in self._shipments.values():
            shipment.close()
        self._shipments.clear()
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def _connected(self) -> Transport:
        if self._transport is None:
            self._transport = self._backend.connect(self.address)
        return self._transport

    def _see(self, transport: Transport, now: float) -> bool:
        """Asks for the nodes' states where it is time; whether there are nodes."""
        if now >= self._seen + _LOOK_SECONDS or any(each.is_over for each in self._shipments.values()):
            self._states, self._seen = transport.states(self._handle), now
        return bool(self._states)

    def _look(self) -> Observation:
        transport, now = self._connected(), time.monotonic()
        self._see(transport, now)
        if self._seen != self._judged:
            self._judged = self._seen
            if not self._begun(transport):
                return Observation(Status.NOT_STARTED)
            self._note_lost(now)
            self._has_ended = 0 not in self._shipments and self._left_last_word(transport)
        state = self._shipments[0].state if 0 in self._shipments else None
        if state in ("ended", "gone") or self._has_ended or 0 in self._lost:
            return self._conclude(transport)
        if self._lost_at is not None and now > self._lost_at + _LAST_WORDS_SECONDS:
            return self._conclude(transport)
        return Observation(Status.RUNNING)

    def _left_last_word(self, transport: Transport) -> bool:
        """Whether the run is over, asked of node 0's files: nobody follows its stream."""
        first = self._states.get(0)
        return first is not None and transport.peek(first.id, f"{FOLDER}/launch/end.json") is not None

    def _begun(self, transport: Transport) -> bool:
        """Whether scripts may have been started: the agent's lock is in node 0, if nobody had time to say so."""
        if self._has_begun:
            return True
        if was_launched(transport, self._states):
            self._has_begun = True
            self._backend.mark.write(self._folder, {**self._mark, "begun": True})
        return self._has_begun

    def _note_lost(self, now: float) -> None:
        for number, name in enumerate(self._mark["nodes"]):
            state = self._states.get(number) or NodeState(number, "", name, "gone")
            if not state.is_running and number not in self._lost:
                self._lost[number] = LostNode(state.words, state.ended_at)
                self._lost_at = self._lost_at or now

    def _follow_nodes(self, transport: Transport, now: float) -> None:
        for number, shipment in list(self._shipments.items()):
            if shipment.is_over:
                shipment.close()
                del self._shipments[number]
                if shipment.refused is not None:
                    self._next_start = now + _REFUSED_SECONDS
                    raise shipment.refused
        if now < self._next_start:
            return
        from .log_shipping import LogShipping

        for number, state in self._states.items():
            if number not in self._shipments and state.is_running:
                self._next_start = now + _RESTART_SECONDS
                with suppress(NodeEnded):
                    self._shipments[number] = LogShipping(
                        transport, state.id, self._mark["agent"], self._folder, number, self._backend.mark
                    )
        if 0 in self._shipments:
            self._shipments[0].wait(_FIRST_WORD_SECONDS)

    def _conclude(self, transport: Transport) -> Observation:
        """Brings every fact, ends what is left, and notes that it is over."""
        from .agent_commands import keep_links
        from .collect import end_nodes
        from .collect_files import collect_facts

        # The agent may have told of a lost node before the next look at nodes was due: it has no name for it.
        self._states = transport.states(self._handle)
        self._note_lost(time.monotonic())
        keep_links(transport, self._states.values(), self._mark)
        for number, state in sorted(self._states.items()):
            shipment = self._shipments.get(number)
            if shipment is None or not shipment.flush(_FLUSH_SECONDS):
                with suppress(NodeEnded):
                    collect_facts(transport, state.id, self._folder, number, self._backend.mark)
        end = read_json(self._folder / "launch" / "end.json")
        by_us = was_killed(self._folder)
        if end and not by_us:
            self._await_words_of_lost(transport, end)
        conclusion = Conclusion({} if by_us else self._lost_before(end))
        if not end:
            note_killed(self._folder)
        end_nodes(
            self._backend, transport, self._handle, self._states.values(), self._mark, has_last_word=bool(end)
        )
        conclusion.write(self._folder)
        self.close()
        return concluded(self._folder, conclusion, self._backend.mark)

    def _await_words_of_lost(self, transport: Transport, end: Mapping[str, object]) -> None:
        """The agent sees a broken connection at once; a busy backend tells of the node's end a little later."""
        deadline = time.monotonic() + _LAST_WORDS_SECONDS
        while (now := time.monotonic()) < deadline and not _told_lost(end) <= set(self._lost):
            time.sleep(_AGAIN_SECONDS)
            self._states = transport.states(self._handle)
            self._note_lost(now)

    def _lost_before(self, end: Mapping[str, Any]) -> dict[int, LostNode]:
        """Nodes that went before the run's last word; what ended after it, was ended.

        One that the agent tells of went before, whenever the backend took notice.
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
