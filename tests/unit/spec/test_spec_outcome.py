from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulumi_training.driver.policy import retry_word
from pulumi_training.spec.errors import MESSAGE_LIMIT, Problem, SpecError, TrainingError, mask, shorten
from pulumi_training.spec.outcome import RULES, OnNextUp, Outcome, Reason, Status
from pulumi_training.spec.policy import RetryOn


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_its_consequences(reason: Reason) -> None:
    rule = RULES[reason]
    assert rule is reason.rule
    assert rule.status.is_terminal
    assert bool(rule.advice) is (reason is not Reason.COMPLETED)
    assert (rule.on_next_up is OnNextUp.NOTHING) is (reason is Reason.COMPLETED)


def test_the_table_has_no_other_line() -> None:
    assert set(RULES) == set(Reason)


def test_a_retry_can_be_asked_for_only_where_the_words_match_a_reason() -> None:
    words = {retry_word(reason) for reason in Reason}
    assert {on.value for on in RetryOn} <= words
    assert {retry_word(r) for r in Reason if r in (Reason.COMPLETED, Reason.CANCELED)}.isdisjoint(
        {on.value for on in RetryOn}
    )


def test_a_failed_probe_ends_nothing() -> None:
    assert not Status.NOT_RESPONDING.is_terminal
    assert {s for s in Status if s.is_terminal} == {Status.COMPLETED, Status.FAILED, Status.CANCELED}


TEXTS = st.text(max_size=20)
OUTCOMES = st.builds(
    Outcome,
    reason=st.sampled_from(Reason),
    message=TEXTS,
    rank=st.none() | st.integers(0, 9),
    node=st.none() | st.integers(0, 9),
    exit_code=st.none() | st.integers(0, 255),
    signal=st.none() | st.just("SIGKILL"),
    exception=st.none() | st.text(min_size=1, max_size=20),
    log_tail=TEXTS,
    details=st.dictionaries(TEXTS, st.integers(), max_size=2),
)


@given(OUTCOMES)
def test_an_outcome_survives_json(outcome: Outcome) -> None:
    document = json.loads(json.dumps(outcome.to_json()))
    assert Outcome.from_json(document) == outcome
    assert document["status"] == outcome.status.value


def test_zeroes_are_facts_and_are_kept() -> None:
    document = Outcome(Reason.SCRIPT_FAILED, rank=0, node=0, exit_code=0).to_json()
    assert (document["rank"], document["node"], document["exit_code"]) == (0, 0, 0)


def test_fields_of_a_newer_version_are_left_out() -> None:
    assert Outcome.from_json({"reason": "Canceled", "mood": "bad"}) == Outcome(Reason.CANCELED)


@given(st.text(), st.integers(60, 200))
def test_a_message_is_cut_in_bytes(text: str, limit: int) -> None:
    cut = shorten(text, limit)
    assert len(cut.encode("utf-8", "replace")) <= max(limit, 0) or cut == text
    if len(text.encode("utf-8", "replace")) <= limit:
        assert cut == text


def test_first_and_last_words_stay() -> None:
    text = TrainingError("first " + "é" * 9000 + " last").message
    assert text.startswith("first") and text.endswith("last")
    assert len(text.encode()) <= MESSAGE_LIMIT


def test_secrets_are_masked_the_longer_ones_first() -> None:
    assert mask("a hunter2 b hunter22 bb", ["hunter2", "hunter22", "b"]) == "a [secret] [secret] [secret] bb"


def test_problems_are_told_all() -> None:
    error = SpecError([Problem("a", "is wrong"), Problem("", "too")])
    assert str(error) == "a: is wrong\ntoo" and error.path == "a"
