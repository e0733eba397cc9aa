from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulumi_training.spec.expectation import judge, parse


@pytest.mark.parametrize(
    ("text", "which", "relation", "bound"),
    [
        (">=0.93", "last", ">=", 0.93),
        ("best <0.2", "best", "<", 0.2),
        (" every   <=   -1e-3 ", "every", "<=", -0.001),
        ("last > +5", "last", ">", 5.0),
        ("==1", "last", "==", 1.0),
        ("!= .5", "last", "!=", 0.5),
    ],
)
def test_syntax(text: str, which: str, relation: str, bound: float) -> None:
    found = parse("m", text)
    assert (found.which, found.relation, found.bound) == (which, relation, bound)


@pytest.mark.parametrize(
    "text",
    ["", "0.9", "=0.9", ">= ", "=> 1", "worst <1", "bestest <1", ">=nan", ">=1.2.3", ">=1e", "> 1 2", "<inf"],
)
def test_what_cannot_be_read(text: str) -> None:
    with pytest.raises(ValueError, match="write"):
        parse("m", text)


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse("m", text)
    except ValueError as error:
        assert "write" in str(error)


SERIES = [0.5, 0.9, 0.7]


@pytest.mark.parametrize(
    ("text", "is_met"),
    [
        (">=0.7", True),
        (">=0.8", False),
        ("last >=0.7", True),
        ("best >=0.9", True),
        ("best >0.9", False),
        ("best <=0.5", True),
        ("best <0.5", False),
        ("every >=0.5", True),
        ("every >0.5", False),
        ("every <0.91", True),
        ("==0.7", True),
        ("!=0.7", False),
    ],
)
def test_which_values_count(text: str, is_met: bool) -> None:
    assert (judge({"m": text}, {"m": SERIES}) == []) is is_met


def test_a_metric_that_was_never_reported_is_not_met() -> None:
    empty: list[dict[str, list[float]]] = [{}, {"m": []}]
    for series in empty:
        (unmet,) = judge({"m": "!=5"}, series)
        assert unmet.actual is None
        assert str(unmet) == "m was never reported; expected != 5"


@pytest.mark.parametrize("which", ["last", "best", "every"])
@pytest.mark.parametrize("relation", [">=", "<", "==", "!="])
def test_nan_meets_nothing(which: str, relation: str) -> None:
    (unmet,) = judge({"m": f"{which} {relation}1"}, {"m": [math.nan]})
    assert "not a number" in str(unmet)


def test_a_nan_on_the_way_counts_for_every_only() -> None:
    values = {"m": [0.5, math.nan, 0.9]}
    assert not judge({"m": ">=0.9"}, values)
    assert not judge({"m": "best >=0.9"}, values)
    assert judge({"m": "every >=0.1"}, values)
    assert judge({"m": "last >=0"}, {"m": [0.5, math.nan]})


def test_infinity_is_compared() -> None:
    assert not judge({"m": ">1"}, {"m": [math.inf]})
    assert judge({"m": "<1"}, {"m": [math.inf]})


def test_the_words_say_what_was_and_what_should_be() -> None:
    (unmet,) = judge({"accuracy": "every >=0.93"}, {"accuracy": [0.95, 0.91]})
    assert str(unmet) == "worst accuracy is 0.91; expected >= 0.93"
    (unmet,) = judge({"loss": "best <0.2"}, {"loss": [0.4, 0.3]})
    assert str(unmet) == "best loss is 0.3; expected < 0.2"


def test_every_metric_that_is_not_met_is_told() -> None:
    unmet = judge({"b": ">1", "a": ">1", "c": "<1"}, {"a": [0], "b": [0], "c": [0]})
    assert [u.expectation.metric for u in unmet] == ["a", "b"]
