"""What is said of two checkouts: the median of the ratios of pairs, and what could not be measured."""

from __future__ import annotations

from typing import Any

import pytest
from benchmarks.against import Compared, in_turns, paired
from benchmarks.pairs import each, interleaved, turns


class Side:
    """A process that measures, as far as the turns can tell."""

    def __init__(self, name: str, rounds: int, said: list[str]) -> None:
        self.name, self._left, self._said = name, rounds, said

    def go_on(self) -> None:
        self._said.append(self.name)

    def hear(self) -> list[dict[str, Any]] | None:
        self._left -= 1
        return [{"name": self.name}] if self._left < 0 else None


def figure(name: str, *values: float, unit: str = "s", trouble: str = "") -> dict[str, Any]:
    return {"name": name, "values": list(values), "unit": unit, "trouble": trouble}


def test_both_take_turns_and_the_order_changes() -> None:
    said: list[str] = []
    ours: Any = Side("ours", 3, said)
    theirs: Any = Side("theirs", 3, said)
    assert in_turns(ours, theirs) == ([{"name": "ours"}], [{"name": "theirs"}])
    assert said == ["ours", "theirs", "theirs", "ours", "ours", "theirs", "theirs", "ours"]


def test_the_median_is_of_the_ratios_of_pairs_and_not_of_medians() -> None:
    found = Compared("start", (1.0, 4.0, 9.0), (1.0, 2.0, 10.0))
    assert found.ratios == [0.9, 1.0, 2.0] and found.is_within
    assert not Compared("start", (1.1, 1.1), (1.0, 1.0)).is_within


def test_times_are_paired_by_name_and_a_failure_is_said_once() -> None:
    ours = [figure("start", 1.0), figure("start", 1.0), figure("size", 5.0, unit="MB"), figure("new", 1.0)]
    assert [each.name for each in paired("plugin_start", ours, [figure("start", 2.0), ours[2]])] == [
        "start",
        "plugin_start",
    ]
    broken = paired("plugin_start", ours[:1], [figure("start", trouble="no engine")])
    assert [(each.name, each.trouble, each.is_within) for each in broken] == [
        ("plugin_start", "no engine", False)
    ]


def test_a_round_waits_for_its_turn_and_leaves_peers_out(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[str] = []
    monkeypatch.setattr(turns, "wait", lambda: waited.append("turn"))
    monkeypatch.setattr(turns, "with_peers", False)
    taken = interleaved({"ours": float, "peer": lambda _: pytest.fail("a peer was measured")}, 3)
    assert taken == {"ours": [0.0, 1.0, 2.0], "peer": []} and len(waited) == 4
    assert list(each(2, warm_up=1)) == [-1, 0, 1] and len(waited) == 7
