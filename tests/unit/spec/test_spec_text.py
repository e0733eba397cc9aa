from __future__ import annotations

import pytest

from pulumi_training.spec.text import count, topology


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 runs"), (1, "1 run"), (1.0, "1.0 run"), (2, "2 runs"), ("?", "? runs")]
)
def test_a_number_of_things_has_its_plural(number: object, words: str) -> None:
    assert count(number, "run") == words


def test_the_shape_of_a_run_is_told_in_nodes_and_processes() -> None:
    assert topology(1, 1) == "1 node × 1 process"
    assert topology(2, 4) == "2 nodes × 4 processes"
