from __future__ import annotations

import pytest

from pulumi_training.spec.tracking import tracking_problem


@pytest.mark.parametrize(
    ("uri", "target", "store", "words"),
    [
        ("workspace", "docker", "./lab", "out of reach of containers"),
        ("workspace", "local", "s3://bucket/lab", "is no folder"),
        ("http://127.0.0.1:5000", "docker", "./lab", "is the container itself"),
        ("http://localhost:5000", "docker", "./lab", "is the container itself"),
        ("https://me:word@host", "local", "./lab", "MLFLOW_TRACKING_PASSWORD"),
        ("./mlruns", "local", "./lab", "tracking=True"),
        ("http://", "local", "./lab", "names no host"),
        ("http://[half", "local", "./lab", "cannot be read as an address"),
    ],
)
def test_a_place_that_cannot_be_one_is_told_what_to_write(
    uri: str, target: str, store: str, words: str
) -> None:
    wrong = tracking_problem(uri, target, store)
    assert wrong is not None and words in wrong
    assert "me:word" not in wrong


@pytest.mark.parametrize(
    ("uri", "target"),
    [("workspace", "local"), ("http://127.0.0.1:5000", "local"), ("https://mlflow.example.com", "docker")],
)
def test_a_place_within_reach_is_taken(uri: str, target: str) -> None:
    assert tracking_problem(uri, target, "./lab") is None
