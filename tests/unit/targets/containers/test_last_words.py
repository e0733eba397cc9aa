"""The end of a run with a lost node: the agent sees the broken connection before the daemon tells of the container."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from part_transport import PartTransport

from pulumi_training.targets.containers import collect_files as collect_module
from pulumi_training.targets.containers import follow as follow_module
from pulumi_training.targets.containers.follow import Followed
from pulumi_training.targets.containers.transport import NodeState
from pulumi_training.targets.contract.handle import Handle
from pulumi_training.targets.docker.backend import BACKEND

GONE = NodeState(1, "b", "fit-1", "exited", 137, ended_at=101.5)
ALIVE = NodeState(1, "b", "fit-1", "running")
FIRST = NodeState(0, "a", "fit-0", "running")


class Daemon(PartTransport):
    """Answers one look after the other; the last one for ever."""

    def __init__(self, *looks: NodeState) -> None:
        self.looks = list(looks)

    def states(self, handle: Handle) -> dict[int, NodeState]:
        seen = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        return {0: FIRST, 1: seen}

    def kill(self, states: Iterable[NodeState]) -> None:
        """There is nothing to end."""


def conclude(folder: Path, daemon: Daemon, monkeypatch: pytest.MonkeyPatch, **end: Any) -> Any:
    """How the attempt is told once the agent has said its last word at 100.0."""
    (folder / "launch").mkdir()
    facts = {"exit_code": 1, "stopped_why": "rank_lost", "ranks_expected": 2, "ended_at": 100.0, **end}
    (folder / "launch" / "end.json").write_text(json.dumps(facts))
    monkeypatch.setattr(collect_module, "collect_facts", lambda *_: None)
    monkeypatch.setattr(follow_module, "_AGAIN_SECONDS", 0.01)
    monkeypatch.setattr(follow_module, "_LAST_WORDS_SECONDS", 0.2)
    mark = {"run_id": "fit", "attempt": 1, "nodes": ["fit-0", "fit-1"], "ranks": 2, "begun": True}
    return Followed(BACKEND, Handle("docker", "fit", 1, str(folder)), mark)._conclude(daemon).launch


def test_the_daemon_notices_after_the_agent_has_spoken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = conclude(tmp_path, Daemon(ALIVE, ALIVE, GONE), monkeypatch, lost_nodes=[1])
    assert (told.lost_nodes, told.lost_words) == ((1,), "container fit-1 ended with exit code 137")


def test_a_node_that_is_only_cut_off_is_not_waited_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = conclude(tmp_path, Daemon(ALIVE), monkeypatch, lost_nodes=[1])
    assert (tuple(told.lost_nodes), told.lost_words) == ((1,), "")


def test_what_ends_after_the_last_word_was_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = conclude(tmp_path, Daemon(GONE), monkeypatch, stopped_why="rank_failed", lost_nodes=[])
    assert (tuple(told.lost_nodes), told.lost_words) == ((), "")
