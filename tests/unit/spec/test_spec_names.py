from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from pulumi_training.identity.key import run_id
from pulumi_training.spec.names import distinct, is_name, name_problem, suggest


@given(st.text() | st.text(alphabet="aZ0- _é🚀", max_size=60))
def test_a_suggestion_is_always_a_name(text: str) -> None:
    assert is_name(suggest(text))
    assert (name_problem(text) is None) is is_name(text)
    if is_name(text):
        assert suggest(text) == text
        assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", text)
        assert len(run_id(text, "k", "u", "w")) <= 44


def test_names() -> None:
    assert all(map(is_name, ["a", "0", "a-b", "x" * 40]))
    assert not any(map(is_name, ["", "-a", "a-", "A", "a_b", "x" * 41, "a\n", "é", "a b"]))


def test_two_texts_never_get_one_name() -> None:
    texts = [
        "digits",
        "Digits",
        "my exp",
        "my-exp",
        "My Exp",
        "\u65e5\u672c\u8a9e",
        "\u042d\u043a",
        "a" * 60,
        "a" * 61,
        "train",
    ]
    names = [distinct(text) for text in texts]
    assert len(set(names)) == len(texts) and all(map(is_name, names))
    assert names[0] == "digits" and names[2].startswith("my-exp-")
