import math
from typing import Any

import pulumi.runtime.rpc as sdk
import pytest
from google.protobuf import json_format, struct_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from pulumi_training.provider import constants, wire
from pulumi_training.provider.wire import UNKNOWN, Asset, ResourceReference, Secret

text = st.text(st.characters(exclude_categories=["Cs"])).filter(lambda t: t not in constants.UNKNOWNS)
keys = text.filter(lambda t: t != constants.SIGNATURE_KEY)
numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False).filter(
    lambda f: not (f.is_integer() and abs(f) < wire.INTEGERS_BELOW)
)
leaves = (
    st.none()
    | st.booleans()
    | numbers
    | text
    | st.just(UNKNOWN)
    | st.builds(ResourceReference, text, st.none() | text.filter(bool) | st.just(UNKNOWN), text)
    | st.builds(Asset, st.booleans(), st.fixed_dictionaries({"hash": text}, optional={"path": text}))
)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner) | st.dictionaries(keys, inner) | st.builds(Secret, inner),
    max_leaves=20,
)


def struct(document: dict[str, Any]) -> struct_pb2.Struct:
    return json_format.ParseDict(document, struct_pb2.Struct())


@given(st.dictionaries(keys, values))
@settings(max_examples=100, deadline=None)
def test_every_value_survives_the_wire(value: dict[str, Any]) -> None:
    once = wire.decode(wire.encode(value))
    assert once == value
    assert _types(once) == _types(value)
    assert wire.contains_unknown(once) == ("<unknown>" in _types(value))


def _types(value: Any) -> str:
    # For == the values 1, 1.0 and True are the same. A text at every level, so that `in` looks everywhere.
    if isinstance(value, Secret):
        return f"Secret({_types(value.value)})"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_types(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_types, value)) + "]"
    if isinstance(value, ResourceReference):
        return f"reference {_types(value.id)}"
    return "<unknown>" if value is UNKNOWN else type(value).__name__


def test_signatures_are_those_of_the_sdk() -> None:
    assert sdk._special_sig_key == constants.SIGNATURE_KEY
    assert sdk._special_secret_sig == constants.SECRET
    assert sdk._special_asset_sig == constants.ASSET
    assert sdk._special_archive_sig == constants.ARCHIVE
    assert sdk._special_resource_sig == constants.RESOURCE
    assert sdk._special_output_value_sig == constants.OUTPUT
    assert constants.UNKNOWN_STRING == sdk.UNKNOWN
    assert len(constants.UNKNOWNS) == 7


@pytest.mark.parametrize("sentinel", sorted(constants.UNKNOWNS))
def test_each_sentinel_is_unknown_wherever_it_stands(sentinel: str) -> None:
    secret = {constants.SIGNATURE_KEY: constants.SECRET, "value": [{"deep": sentinel}]}
    decoded = wire.decode(struct({"plain": sentinel, "list": [1, sentinel], "secret": secret}))
    assert decoded == {"plain": UNKNOWN, "list": [1, UNKNOWN], "secret": Secret([{"deep": UNKNOWN}])}
    assert all(wire.contains_unknown(part) for part in decoded.values())


def test_output_values() -> None:
    mark = {constants.SIGNATURE_KEY: constants.OUTPUT}
    decoded = wire.decode(
        struct(
            {
                "unknown": mark,
                "known": {**mark, "value": 3, "dependencies": ["urn:x"]},
                "secret": {**mark, "value": "s", "secret": True},
                "both": {**mark, "secret": True},
            }
        )
    )
    assert decoded == {"unknown": UNKNOWN, "known": 3, "secret": Secret("s"), "both": Secret(UNKNOWN)}


def test_an_archive_that_kept_only_its_hash_is_read() -> None:
    archive = {constants.SIGNATURE_KEY: constants.ARCHIVE, "hash": "abc"}
    (decoded,) = wire.decode(struct({"a": archive})).values()
    assert decoded == Asset(True, {"hash": "abc"})
    assert decoded.hash == "abc"
    assert json_format.MessageToDict(wire.encode({"a": decoded})) == {"a": archive}


def test_a_component_reference_has_no_id_and_a_new_resource_an_unknown_one() -> None:
    mark = {constants.SIGNATURE_KEY: constants.RESOURCE, "urn": "urn:x"}
    decoded = wire.decode(struct({"component": mark, "new": {**mark, "id": ""}, "old": {**mark, "id": "i"}}))
    assert decoded["component"] == ResourceReference("urn:x")
    assert decoded["new"] == ResourceReference("urn:x", UNKNOWN)
    assert decoded["old"] == ResourceReference("urn:x", "i")


def test_a_struct_of_an_unknown_signature_is_kept_as_it_is() -> None:
    odd = {constants.SIGNATURE_KEY: "of a later engine", "value": 1}
    assert wire.decode(struct({"odd": odd})) == {"odd": odd}


def test_whole_numbers_are_ints_and_large_ones_arrive_as_given() -> None:
    decoded = wire.decode(struct({"a": 3, "b": 2.5, "c": 2**60, "d": 1e300, "e": -0.0}))
    assert decoded == {"a": 3, "b": 2.5, "c": 2**60, "d": 1e300, "e": 0}
    assert [type(decoded[key]) for key in "abcde"] == [int, float, int, float, int]
    assert math.isnan(wire.decode(wire.encode({"n": math.nan}))["n"])


@pytest.mark.parametrize("value", [{"a": [b"x"]}, {"a": {1: 2}}, {"a": 10**400}, {"a": object()}])
def test_what_the_wire_cannot_say_is_refused_with_its_path(value: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=r"^a"):
        wire.encode(value)


def test_a_file_name_that_is_no_utf8_does_not_break_the_answer() -> None:
    assert wire.decode(wire.encode({"file\udcff": "a\udcffb"})) == {"file?": "a?b"}


def test_secrets_are_taken_out_and_named() -> None:
    value = {"a": Secret({"user": "u1", "n": [5, None, True]}), "b": [Secret("p"), "open"]}
    plain, secrets = wire.unwrap_secrets(value)
    assert plain == {"a": {"user": "u1", "n": [5, None, True]}, "b": ["p", "open"]}
    assert secrets == ["u1", "5", "p"]
    assert "u1" not in repr(value)


def test_what_came_as_a_secret_goes_back_as_one() -> None:
    given = {"password": Secret("p"), "list": [Secret("q"), 1], "plain": 2}
    answer = {"password": "p", "list": ["q", 1, 3], "plain": 2, "new": Secret("n")}
    assert wire.keep_secrets(answer, given) == {
        "password": Secret("p"),
        "list": [Secret("q"), 1, 3],
        "plain": 2,
        "new": Secret("n"),
    }
