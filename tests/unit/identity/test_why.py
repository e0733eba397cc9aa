"""Why two runs differ, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulumi_training.identity.values import UNKNOWN_SENTINEL, same
from pulumi_training.identity.why import Change, explain


@dataclass(frozen=True)
class Secret:
    value: object


class Unknown:
    pass


def words(old: dict[str, Any], new: dict[str, Any], **more: Any) -> list[str]:
    return [change.message for change in explain(old, new, **more)]


def source(old: dict[str, str] | None, new: dict[str, str] | None) -> str:
    [message] = words({"sourceDigest": "1"}, {"sourceDigest": "2"}, old_files=old, new_files=new)
    return message


def test_files_are_named_by_what_became_of_them() -> None:
    assert source({"train.py": "1"}, {"train.py": "2"}) == "train.py changed"
    assert (
        source({"b.py": "1", "old.py": "2", "was.py": "3"}, {"b.py": "9", "util.py": "4", "is.py": "3"})
        == "b.py changed, was.py renamed to is.py, util.py added, old.py removed"
    )


def test_at_most_five_files_are_named() -> None:
    many = {f"f{n:02}.py": "1" for n in range(17)}
    assert source(many, dict.fromkeys(many, "2")).endswith("f04.py changed, and 12 more")


def test_without_manifests_the_tree_has_changed() -> None:
    assert source(None, {"a": "1"}) == "source tree changed"
    assert source({"a": "1"}, {"a": "1"}) == "source tree changed (an executable bit)"


def test_a_file_name_that_is_not_utf8_can_be_said() -> None:
    source({"caf\udce9": "1"}, {"caf\udce9": "2"}).encode("utf-8")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ({"nodeCount": 1}, {"nodeCount": 2.0}, "nodeCount 1 -> 2"),
        ({}, {"nodeCount": 2}, "nodeCount set to 2"),
        ({"entryScript": "a.py"}, {}, "entryScript removed, was a.py"),
        ({"useGpu": 1}, {"useGpu": True}, "useGpu 1 -> true"),
        ({"name": ""}, {"name": " x\n"}, 'name "" -> " x\\n"'),
        ({"a": "x" * 500}, {"a": "y"}, "a " + "x" * 57 + "... -> y"),
        ({"tags": {"a.b": "1"}}, {"tags": {"a.b": "2"}}, 'tags["a.b"] 1 -> 2'),
        (
            {"inputs": {"digits": {"uri": "u", "fingerprint": "1"}}},
            {"inputs": {"digits": {"uri": "u", "fingerprint": "2"}}},
            "inputs.digits: data changed",
        ),
        (
            {"environment": {"pipPackages": ["numpy"]}},
            {"environment": {"pipPackages": ["mpi4py"]}},
            "environment.pipPackages: + mpi4py, - numpy",
        ),
        (
            {"environment": {"pipPackages": ["torch==2.1", "My_Pkg[x]>=1"]}},
            {"environment": {"pipPackages": ["my-pkg>=2", "torch==2.2"]}},
            "environment.pipPackages: torch==2.1 -> torch==2.2, My_Pkg[x]>=1 -> my-pkg>=2",
        ),
        ({"p": ["a", "b"]}, {"p": ["b", "a"]}, "p: order changed"),
        ({"p": ["a"]}, {"p": ["a", "a"]}, "p: + a"),
        ({"l": [{"a": 1}, {"a": 2}]}, {"l": [{"a": 1}, {"a": 3}]}, "l[1].a 2 -> 3"),
        ({"l": [1, 2]}, {"l": [1, 3]}, "l: [1, 2] -> [1, 3]"),
    ],
)
def test_a_difference_is_told_in_words(old: dict[str, Any], new: dict[str, Any], message: str) -> None:
    assert words(old, new) == [message]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("--epochs 5", "--epochs 7", "--epochs 5 -> 7"),
        ("--lr=0.1 --epochs 5", "--epochs 5 --lr 0.2", "--lr 0.1 -> 0.2"),
        ("--epochs 5", "--epochs 5 --verbose", "+ --verbose"),
        ("--lr 0.1 -x", "-x", "- --lr 0.1"),
        ("--shift -1", "--shift -2.5", "--shift -1 -> -2.5"),
        ("--add a --add b", "--add a --add c --add d", "--add b -> c, + --add d"),
        ("--sizes 1 2 3", "--sizes 1 2", "--sizes 1 2 3 -> 1 2"),
        ("train fast", "train slow", "fast -> slow"),
        ("-a -b", "-b -a", "order changed"),
        ("--lr=1", "--lr 1", "--lr=1 -> --lr 1"),
        ("--flag", "--flag on", "--flag (no value) -> on"),
    ],
)
def test_arguments_are_aligned_by_option(old: str, new: str, message: str) -> None:
    assert words({"arguments": old.split()}, {"arguments": new.split()}) == [f"arguments: {message}"]


def test_secrets_never_show() -> None:
    hidden = frozenset({"password", "settings.token", "vault"})
    changes = explain(
        {
            "password": "hunter1",
            "s": Secret("hunter2"),
            "l": ["a", Secret("hunter3")],
            "vault": {"k": "hunter4"},
        },
        {
            "password": "hunter5",
            "s": "hunter6",
            "l": ["b", Secret("hunter7")],
            "settings": {"token": "hunter8"},
            "vault": {"k": "hunter9"},
            "m": {"deep": Secret("hunter0")},
        },
        hidden=hidden,
    )
    assert "hunter" not in repr(changes)
    assert [change.path for change in changes] == ["l", "m", "password", "s", "settings", "vault"]
    assert "password changed (secret)" in [change.message for change in changes]


def test_an_equal_secret_is_no_change() -> None:
    assert explain({"s": Secret("a")}, {"s": Secret("a")}) == []


@pytest.mark.parametrize("unknown", [Unknown(), UNKNOWN_SENTINEL])
def test_what_is_not_known_yet_may_change(unknown: object) -> None:
    assert words({"a": {"b": 1}, "sourceDigest": "1"}, {"a": {"b": unknown}, "sourceDigest": unknown}) == [
        "source tree: not known yet, may change",
        "a.b: not known yet, may change",
    ]
    assert words({"arguments": ["--x", "1"]}, {"arguments": ["--x", unknown]}) == [
        "arguments: not known yet, may change"
    ]


def test_changes_carry_paths_and_kinds_in_a_fixed_order() -> None:
    old = {"z": 1, "a": {"x": 1, "y": 2}, "sourceDigest": "1", "runKey": "v1:1"}
    new = {"runKey": "v1:2", "sourceDigest": "2", "a": {"y": 3, "w": 4}, "b": None}
    assert [(change.path, change.kind) for change in explain(old, new)] == [
        ("sourceDigest", "update"),
        ("a.w", "add"),
        ("a.x", "delete"),
        ("a.y", "update"),
        ("b", "add"),
        ("z", "delete"),
    ]
    assert explain(dict(reversed(old.items())), dict(reversed(new.items()))) == explain(old, new)
    assert str(Change("a", "add", "words")) == "words"


def test_the_run_key_is_named_only_when_nothing_else_explains_it() -> None:
    assert [change.path for change in explain({"runKey": "1"}, {"runKey": "2"})] == ["runKey"]


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.sampled_from([0.5, 1.0])
    | st.text("ab-=1 ", max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab."), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.dictionaries(
    st.sampled_from(["arguments", "sourceDigest", "runKey", "tags", "inputs", "p"]), VALUES
)
ARGUMENTS = st.lists(st.sampled_from(["-a", "--b", "--b=1", "1", "x", "-1", "-", "--", ""]), max_size=5)


@settings(max_examples=50, deadline=None)
@given(FIELDS, FIELDS)
def test_different_inputs_are_always_explained_and_equal_ones_never(
    old: dict[str, Any], new: dict[str, Any]
) -> None:
    changes = explain(old, new)
    assert bool(changes) == (not same(old, new))
    assert all(change.message.split(": ")[-1].strip() for change in changes)
    assert len({change.path for change in changes}) == len(changes)


@given(ARGUMENTS, ARGUMENTS)
def test_different_arguments_are_always_explained(old: list[str], new: list[str]) -> None:
    messages = words({"arguments": old}, {"arguments": new})
    assert len(messages) == (old != new)
    assert messages != ["arguments: "]


def test_of_a_group_that_is_set_anew_only_what_is_secret_is_left_out() -> None:
    hidden = {"environment.imageRegistry.password"}
    environment = {"pipPackages": ["mpi4py"]}
    (change,) = explain({}, {"environment": environment}, hidden=hidden)
    assert "mpi4py" in change.message and "secret" not in change.message
    registry = {"server": "r.example.com", "password": "hunter22"}
    (change,) = explain({}, {"environment": {**environment, "imageRegistry": registry}}, hidden=hidden)
    assert "[secret]" in change.message and "hunter22" not in change.message
    (change,) = explain({"environment": {"imageRegistry": registry}}, {}, hidden=hidden)
    assert "hunter22" not in change.message
    (change,) = explain(
        {}, {"environment": {"buildSecrets": ["hunter22"]}}, hidden={"environment.buildSecrets[0]"}
    )
    assert "hunter22" not in change.message
