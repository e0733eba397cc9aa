"""The arithmetic of a figure, the order of rounds and the cells of the table."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from benchmarks.figure import Figure, Unit, failed, most, over, ratio
from benchmarks.pairs import interleaved
from benchmarks.table import cells, show, write_json
from rich.console import Console

OURS, PEER = (1.0, 1.2, 1.4), (1.0, 1.0, 2.0)


def test_a_ratio_is_of_medians_and_its_spread_is_of_pairs() -> None:
    figure = Figure("f", OURS, ratio(1.2), PEER)
    assert figure.value == pytest.approx(1.2)
    assert figure.spread == pytest.approx((0.7, 1.2))
    assert figure.is_within


def test_a_difference_is_in_the_unit_of_the_figure() -> None:
    figure = Figure("f", OURS, over(0.1), PEER)
    assert figure.value == pytest.approx(0.2)
    assert figure.is_within is False
    assert cells(figure)[3:] == ("+0.20 s (-0.60 s-0.20 s)", "≤ +0.1 s", "over")


def test_a_plain_bound_needs_no_peer() -> None:
    figure = Figure("f", (150.0, 190.0, 180.0), most(200), unit=Unit.MEGABYTES)
    assert cells(figure) == ("f", "180.0 MB (150.0 MB-190.0 MB)", "", "", "≤ 200 MB", "ok")


def test_without_a_limit_there_is_no_verdict() -> None:
    figure = Figure("f", OURS, ratio(None), PEER, "git")
    assert figure.is_within is None
    assert cells(figure)[2:] == ("1.00 s git", "1.20 (0.70-1.20)", "", "")


def test_what_could_not_be_measured_is_over_its_bound() -> None:
    assert failed("f", "no pulumi").is_within is False
    assert cells(failed("f", "no pulumi"))[1] == "no pulumi"


def test_rounds_are_interleaved_and_turn_around() -> None:
    order: list[str] = []
    kept: list[int] = []

    def ours(number: int) -> float:
        order.append("ours")
        kept.append(number)
        return float(number)

    def peer(number: int) -> float:
        order.append("peer")
        return 0.5

    taken = interleaved({"ours": ours, "peer": peer}, 2, warm_up=1)
    assert taken == {"ours": [0.0, 1.0], "peer": [0.5, 0.5]}
    assert kept == [-1, 0, 1]
    assert order == ["peer", "ours", "ours", "peer", "peer", "ours"]


def test_no_round_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one round"):
        interleaved({}, 0)


def test_a_file_gets_every_name_in_full() -> None:
    written = io.StringIO()
    name = "cancel of 4 ranks with a name"
    show([Figure(name, OURS, ratio(1.5), PEER, "bare mpirun")], Console(file=written))
    assert name in written.getvalue() and "1.00 s bare mpirun" in written.getvalue()
    assert " ok " in written.getvalue()


def test_json_has_every_measurement(tmp_path: Path) -> None:
    write_json([Figure("f", OURS, ratio(1.5), PEER), failed("g", "gone")], tmp_path / "figures.json")
    first, second = json.loads((tmp_path / "figures.json").read_text())["figures"]
    assert (first["ours"], first["peer"], first["within"]) == ([1.0, 1.2, 1.4], [1.0, 1.0, 2.0], True)
    assert (second["trouble"], second["within"]) == ("gone", False)
