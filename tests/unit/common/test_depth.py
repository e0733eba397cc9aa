"""The cut of the fault matrix: each kind of fault once, and every row in turn."""

from __future__ import annotations

import pytest
from depth import VARIABLE, cut, is_whole

ROWS = [(f"{who}, {phase}", who) for who in ("plugin", "agent") for phase in ("queued", "running", "ended")]
SINGLE = [("a full disk", "a full disk")]


def test_each_kind_comes_once() -> None:
    for commit in ("", "a", "b", "c"):
        chosen = cut([*ROWS, *SINGLE], commit)
        assert sorted(row.partition(",")[0] for row in chosen) == ["a full disk", "agent", "plugin"]


def test_a_commit_has_one_cut_whatever_the_order() -> None:
    assert cut(ROWS, "abc") == cut(reversed(ROWS), "abc")


def test_every_row_has_its_turn() -> None:
    assert set().union(*(cut(ROWS, str(number)) for number in range(100))) == {row for row, _ in ROWS}


def test_without_a_word_it_is_the_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert not is_whole()
    monkeypatch.setenv(VARIABLE, "whole")
    assert is_whole()
