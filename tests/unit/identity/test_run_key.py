"""The canonical JSON, the run key and the run id."""

from __future__ import annotations

import json
import re
from enum import Enum

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulumi_training.identity.key import canonical_json, run_id, run_key

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.text(max_size=200) | st.sampled_from(
    ["", "🙂", "-", "A B", "9lives", "x" * 200, "a-" * 100, "Ünï"]
)


@settings(max_examples=40, deadline=None)
@given(JSON)
def test_canonical_json_says_what_it_was_given(value: object) -> None:
    back = json.loads(canonical_json(value).decode("utf-8", "surrogatepass"))
    assert back == value
    assert canonical_json(back) == canonical_json(value)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_the_order_of_fields_does_not_matter(fields: dict[str, object]) -> None:
    assert run_key(fields) == run_key(dict(reversed(fields.items())))


def test_whole_floats_are_integers_and_booleans_are_not() -> None:
    class Backend(str, Enum):
        MPI = "mpi"

    assert run_key({"n": 1.0}) == run_key({"n": 1})
    assert run_key({"n": -0.0}) == run_key({"n": 0})
    assert len({run_key({"n": value}) for value in (1, True, "1", None, [1], {"1": 1}, 1.5)}) == 7
    assert (
        canonical_json({"b": (Backend.MPI, "é"), "a": 2**60 + 1})
        == '{"a":1152921504606846977,"b":["mpi","é"]}'.encode()
    )


def test_a_key_carries_its_version_and_never_changes() -> None:
    assert run_key({"nodeCount": 2}) == "v1:b0e59fd89c2864066a361afb7dc5a3a74ed4193418e43f141a72b1a073ca6ddb"
    assert run_key({"nodeCount": 2}, version="v2").startswith("v2:")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1}, b"x", {1: 2}, object()])
def test_what_json_cannot_say_is_refused(value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        canonical_json({"a": [value]})


@given(NAMES, st.text(), st.text(), st.text())
def test_a_run_id_is_always_a_dns_label(name: str, key: str, urn: str, workspace: str) -> None:
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,42}[a-z0-9])?", run_id(name, key, urn, workspace))


def test_a_run_id_shows_the_name_and_differs_by_key_urn_and_workspace() -> None:
    ids = {run_id("My Job!", key, urn, place) for key in "ab" for urn in "cd" for place in "ef"}
    assert len(ids) == 8
    assert all(re.fullmatch(r"my-job-[0-9a-f]{10}", found) for found in ids)
    assert run_id("🙂", "k", "u", "w").startswith("run-")
    assert len(run_id("x" * 200, "k", "u", "w")) == 44
