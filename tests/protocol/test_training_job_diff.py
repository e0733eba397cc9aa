"""Diff: what makes another run, what changes in place, and why, in words."""

from __future__ import annotations

from typing import Any

import pytest
from job_plugin import COMPUTE, Jobs

from pulumi_training.provider.wire import UNKNOWN, Secret


def changed(lab: Jobs, **changes: Any) -> dict[str, str]:
    old = lab.checked(lab.inputs(arguments=["--epochs", "5"], tags={"a": "b"}))
    new = lab.checked(lab.inputs(**{"arguments": ["--epochs", "5"], "tags": {"a": "b"}, **changes}))
    return lab.diff(old, new)


def why(lab: Jobs, old: dict[str, Any], new: dict[str, Any]) -> str:
    """What the preview says after a Diff."""
    lab.diff(old, new)
    said = len(lab.engine.logged)
    lab.create(new, preview=True)
    return "\n".join(request.message for _, request in lab.engine.logged[said:])


def test_equal_inputs_are_no_change(lab: Jobs) -> None:
    assert changed(lab) == {}


@pytest.mark.parametrize(
    ("changes", "paths"),
    [
        ({"arguments": ["--epochs", "6"]}, ["arguments"]),
        ({"nodeCount": 2, "distributedBackend": "mpi"}, ["nodeCount", "distributedBackend"]),
        ({"environment": {"pipPackages": ["numpy"]}}, ["environment"]),
        ({"triggers": ["1"]}, ["triggers"]),
        ({"name": "other"}, ["name"]),
        ({"compute": {**COMPUTE, "workspace": "other"}}, ["compute.workspace"]),
    ],
    ids=str,
)
def test_what_decides_the_result_replaces(lab: Jobs, changes: dict[str, Any], paths: list[str]) -> None:
    found = changed(lab, **changes)
    assert set(found) == set(paths)
    assert all(kind.endswith("_REPLACE") for kind in found.values()), found


@pytest.mark.parametrize(
    ("changes", "paths"),
    [
        ({"tags": {"a": "c"}}, {"tags.a": "UPDATE"}),
        ({"tags": {}}, {"tags.a": "DELETE"}),
        ({"expect": {"accuracy": ">=0.9"}}, {"expect": "ADD"}),
        ({"maxRunDurationSeconds": 60}, {"maxRunDurationSeconds": "ADD"}),
        ({"retries": {"maxAttempts": 3}}, {"retries": "ADD"}),
        ({"wait": False}, {"wait": "ADD"}),
        ({"compute": {**COMPUTE, "pricePerNodeHour": 3.0}}, {"compute.pricePerNodeHour": "ADD"}),
    ],
    ids=str,
)
def test_what_may_change_on_a_run_changes_in_place(
    lab: Jobs, changes: dict[str, Any], paths: dict[str, str]
) -> None:
    assert changed(lab, **changes) == paths


@pytest.mark.parametrize(
    "changes",
    [
        {"compute": {**COMPUTE, "store": "./elsewhere", "cluster": "big", "maxNodes": 9}},
        {"secretEnvironmentVariables": {"T": "x"}},
        {"name": "fit"},
        {"nodeCount": 1},
        {"nodeCount": 1.0, "useGpu": False},
        {"environment": {"indexUrl": "https://example.org/simple"}},
    ],
    ids=str,
)
def test_where_a_run_runs_from_is_no_change(lab: Jobs, changes: dict[str, Any]) -> None:
    assert changed(lab, **changes) == {}


def test_an_edited_file_replaces_and_the_preview_names_it(lab: Jobs) -> None:
    old = lab.checked(lab.inputs())
    lab.source("print('better')\n")
    lab.source("", "new.py")
    lab.until(lambda: lab.checked(lab.inputs())["runKey"] != old["runKey"], 10)
    new = lab.checked(lab.inputs())
    assert lab.diff(old, new) == {"sourceDigest": "UPDATE_REPLACE"}
    assert "train.py changed, new.py added" in why(lab, old, new)


def test_changed_data_replaces(lab: Jobs) -> None:
    data = lab.folder / "data"
    data.mkdir()
    (data / "a.csv").write_text("1")
    for fingerprint, is_replaced in ((None, True), ("ignored", False)):
        item = {"uri": "./data"} | ({"fingerprint": fingerprint} if fingerprint else {})
        old = lab.checked(lab.inputs(inputs={"d": item}))
        (data / "a.csv").write_text(f"{fingerprint} is longer now")
        new = lab.checked(lab.inputs(inputs={"d": item}))
        assert ("inputs.d.fingerprint" in lab.diff(old, new)) is is_replaced


def test_the_words_of_why_are_in_the_preview(lab: Jobs) -> None:
    old = lab.checked(lab.inputs(arguments=["--epochs", "5"], environment={"pipPackages": ["numpy"]}))
    new = lab.checked(
        lab.inputs(arguments=["--epochs", "7"], environment={"pipPackages": ["numpy", "scipy"]})
    )
    words = why(lab, old, new)
    assert "--epochs 5 -> 7" in words and "+ scipy" in words
    assert "train.py" not in words
    again = len(lab.engine.logged)
    lab.create(new, preview=True)
    assert "scipy" not in "\n".join(r.message for _, r in lab.engine.logged[again:]), "said once"


def test_what_is_unknown_may_replace(lab: Jobs) -> None:
    old = lab.checked(lab.inputs(arguments=["--x", "1"]))
    new = lab.checked(lab.inputs(arguments=["--x", UNKNOWN]))
    assert "UPDATE_REPLACE" in lab.diff(old, new).values()
    lab.diff(old, new)
    lab.create(new, preview=True)
    assert "may be replaced" in lab.said()


def test_an_unknown_that_cannot_touch_the_key_still_may_replace(lab: Jobs) -> None:
    old, new = lab.checked(lab.inputs()), lab.checked(lab.inputs(tags={"a": UNKNOWN}))
    found = lab.diff(old, new)
    assert found["tags"] == "ADD"


def test_secrets_are_compared_and_never_shown(lab: Jobs) -> None:
    def inputs(secret: str) -> dict[str, Any]:
        return lab.checked(
            lab.inputs(
                triggers=[Secret(secret)],
                secretEnvironmentVariables=Secret({"TOKEN": secret}),
            )
        )

    old, new = inputs("hunter2-old"), inputs("hunter2-new")
    assert lab.diff(old, new)["triggers"] == "UPDATE_REPLACE"
    lab.create(new, preview=True)
    assert "hunter2" not in lab.said()
