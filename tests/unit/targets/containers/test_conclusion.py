"""Facts that came from several nodes, and containers that ended: who is to blame."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pulumi_training.spec.attribution import attribute
from pulumi_training.spec.outcome import Reason, Status
from pulumi_training.targets.containers.conclusion import Conclusion, LostNode, concluded, is_better
from pulumi_training.targets.containers.mark import MarkFile


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("launch", "ranks", "logs/std"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "launch" / "docker.json").write_text(json.dumps({"ranks": 2}))
    return tmp_path


def rank(folder: Path, number: int, **facts: object) -> None:
    document = {"rank": number, "node": number, "state": "exited", **facts}
    (folder / "ranks" / f"{number}.json").write_text(json.dumps(document))


def end(folder: Path, **facts: object) -> None:
    (folder / "launch" / "end.json").write_text(json.dumps({"ranks_expected": 2, "exit_code": 1, **facts}))


def outcome(folder: Path, lost: dict[int, LostNode]) -> tuple[Reason, int | None, str]:
    conclusion = Conclusion(lost)
    conclusion.write(folder)
    again = Conclusion.read(folder)
    assert again == conclusion
    seen = concluded(folder, conclusion, MarkFile("docker"))
    found = attribute(seen.launch, seen.ranks)
    return found.reason, found.node, found.message


def test_a_container_that_ended_before_a_rank_failed_is_the_cause(folder: Path) -> None:
    rank(folder, 0, exit_code=1, exception="ConnectionError: peer is gone", ended_at=100.2)
    rank(folder, 1, lost=True, ended_at=100.3)
    end(folder, stopped={"why": "rank_failed", "rank": 0}, first_failed=0)
    reason, node, words = outcome(folder, {1: LostNode("container fit-1 ended with exit code 137", 100.0)})
    assert (reason, node) == (Reason.NODE_LOST, 1) and "fit-1" in words


def test_a_rank_that_failed_long_before_its_container_ended_is_the_cause(folder: Path) -> None:
    rank(folder, 0, exit_code=3, ended_at=100.0)
    rank(folder, 1, lost=True, ended_at=109.0)
    end(folder, stopped={"why": "rank_failed", "rank": 0}, first_failed=0)
    assert outcome(folder, {1: LostNode("ended", 108.0)})[:2] == (Reason.SCRIPT_FAILED, 0)


def test_a_first_node_that_ended_leaves_no_last_word(folder: Path) -> None:
    rank(folder, 0, state="running")
    assert outcome(folder, {0: LostNode("container fit-0 is gone", None)})[:2] == (Reason.NODE_LOST, 0)


def test_success_of_all_is_success_whatever_became_of_a_node(folder: Path) -> None:
    for number in (0, 1):
        rank(folder, number, success=True, exit_code=0)
    end(folder, exit_code=0)
    assert outcome(folder, {1: LostNode("ended", 5.0)})[0] is Reason.COMPLETED


def test_an_agent_without_a_last_word_vanished(folder: Path) -> None:
    rank(folder, 0, state="running")
    assert outcome(folder, {})[0] is Reason.SUPERVISOR_LOST
    assert concluded(folder, Conclusion(), MarkFile("docker")).status is Status.FAILED


def test_a_ranks_own_last_word_is_better_than_what_others_made_of_its_silence(tmp_path: Path) -> None:
    path = tmp_path / "0.json"
    own, guessed, live = {"state": "exited"}, {"state": "exited", "lost": True}, {"state": "running"}
    assert is_better(json.dumps(live).encode(), path)
    for old, new, wanted in (
        (own, guessed, False),
        (guessed, own, True),
        (own, live, False),
        (live, guessed, True),
    ):
        path.write_text(json.dumps(old))
        assert is_better(json.dumps(new).encode(), path) is wanted
