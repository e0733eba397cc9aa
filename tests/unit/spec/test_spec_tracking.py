from __future__ import annotations

import pytest

from pulumi_training.spec.tracking import tracking_problem


@pytest.mark.parametrize(
    ("uri", "is_here", "store", "words"),
    [
        ("workspace", False, "./lab", "out of reach of containers"),
        ("workspace", True, "s3://bucket/lab", "is no folder"),
        ("http://127.0.0.1:5000", False, "./lab", "is the container itself"),
        ("http://localhost:5000", False, "./lab", "is the container itself"),
        ("https://me:word@host", True, "./lab", "MLFLOW_TRACKING_PASSWORD"),
        ("./mlruns", True, "./lab", "tracking=True"),
        ("http://", True, "./lab", "names no host"),
        ("http://[half", True, "./lab", "cannot be read as an address"),
    ],
)
def test_a_place_that_cannot_be_one_is_told_what_to_write(
    uri: str, is_here: bool, store: str, words: str
) -> None:
    wrong = tracking_problem(uri, store, is_here=is_here)
    assert wrong is not None and words in wrong
    assert "me:word" not in wrong


@pytest.mark.parametrize(
    ("uri", "is_here"),
    [("workspace", True), ("http://127.0.0.1:5000", True), ("https://mlflow.example.com", False)],
)
def test_a_place_within_reach_is_taken(uri: str, is_here: bool) -> None:
    assert tracking_problem(uri, "./lab", is_here=is_here) is None
