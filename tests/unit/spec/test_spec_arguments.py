from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulumi_training.spec.arguments import escape, flatten
from pulumi_training.spec.data import references, substitute


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"--epochs": 5}, ["--epochs", "5"]),
        ({"--lr": 1.0}, ["--lr", "1.0"]),
        ({"--seed": 2**60 + 1}, ["--seed", "1152921504606846977"]),
        ({"--name": ""}, ["--name", ""]),
        ({"--verbose": True}, ["--verbose"]),
        ({"--verbose": False}, []),
        ({"--verbose": None}, ["--verbose"]),
        ({"--sizes": [1, 2, None, 3]}, ["--sizes", "1", "2", "3"]),
        ({"--sizes": ()}, ["--sizes"]),
        ({"--flags": [True, False]}, ["--flags", "True", "False"]),
        ({"--x": "größe 🚀"}, ["--x", "größe 🚀"]),
        ({"--x": "a 'b' \"c\" $HOME\nd"}, ["--x", "a 'b' \"c\" $HOME\nd"]),
        ({7: 8}, ["7", "8"]),
        ({"b": 1, "a": 2}, ["b", "1", "a", "2"]),
        ({"--tiny": 1e-300}, ["--tiny", "1e-300"]),
    ],
)
def test_flattening(parameters: dict[Any, Any], words: list[str]) -> None:
    assert flatten(parameters) == words


@pytest.mark.parametrize(
    "value", [{"a": 1}, {1, 2}, frozenset("a"), b"bytes", [{"a": 1}], range(3), iter([1]), object(), print]
)
def test_what_has_no_order_or_no_text_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        flatten({"--x": value})


def test_what_is_not_plain_is_rendered() -> None:
    marker = object()
    assert flatten({"--x": [marker, "y"]}, lambda value: f"<{value is marker}>") == ["--x", "<True>", "y"]


@pytest.mark.parametrize(
    ("text", "paths", "given"),
    [
        ("${data.x}", {"x": "/d"}, "/d"),
        ("--in=${data.x}/a:${data.y}", {"x": "/d", "y": "/e"}, "--in=/d/a:/e"),
        ("$${data.x}", {"x": "/d"}, "${data.x}"),
        ("$$${data.x}", {"x": "/d"}, "$${data.x}"),
        ("${data.x}", {"x": "$${data.x}"}, "$${data.x}"),
        ("${data.x}", {"x": "${data.x}"}, "${data.x}"),
        ("${data.}${datax}$", {}, "${data.}${datax}$"),
    ],
)
def test_substitution(text: str, paths: dict[str, str], given: str) -> None:
    assert substitute(text, paths) == given


def test_a_name_without_a_path_is_an_error() -> None:
    with pytest.raises(KeyError):
        substitute("${data.x}", {})


TRICKY = st.lists(
    st.sampled_from(["$", "$$", "${", "${data.", "x", "}", "${data.x}", ".", "\n", "é", '"']), max_size=8
).map("".join)


@given(st.text() | TRICKY)
def test_escaped_text_refers_to_nothing_and_comes_back(text: str) -> None:
    assert references(escape(text)) == []
    assert substitute(escape(text), {"x": "/wrong"}) == text


@given(TRICKY, TRICKY)
def test_references_are_what_is_substituted(before: str, after: str) -> None:
    text = escape(before).rstrip("$") + "${data.name}" + escape(after)
    assert references(text) == ["name"]
    assert substitute(text, {"name": "/d"}) == before.rstrip("$") + "/d" + after


@given(st.dictionaries(st.text() | TRICKY, st.text() | TRICKY | st.integers() | st.floats(), max_size=4))
def test_parameters_reach_the_script_as_python_writes_them(parameters: dict[str, Any]) -> None:
    words = [substitute(word, {}) for word in flatten(parameters)]
    assert words == [text for name, value in parameters.items() for text in (name, str(value))]
