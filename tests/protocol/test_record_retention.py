"""What changes a policy of records, as the engine asks it over gRPC."""

from __future__ import annotations

from typing import Any

import pytest
from job_plugin import Jobs

RETENTION = "training:index:RecordRetention"
WORKSPACE = {"target": "docker", "workspace": "lab", "store": "./.training/lab"}


def changes(lab: Jobs, old: dict[str, Any], new: dict[str, Any]) -> dict[str, str]:
    """Of a policy that keeps two runs of a workspace, which was `old` and is `new`."""
    before, after = (
        lab.checked({"workspace": {**WORKSPACE, **each}, "keepLast": 2}, name="keep", kind=RETENTION)
        for each in (old, new)
    )
    return lab.diff(before, after, id="retention-keep", name="keep", kind=RETENTION)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"settings": {"memory": "2g"}}, {"docker": {"memory": "2g"}}),
        ({"docker": {"cpus": 2}}, {"settings": {"cpus": "2"}}),
        ({"settings": {}}, {}),
        ({"settings": {"dockerHost": "tcp://a:1"}}, {"docker": {"dockerHost": "tcp://b:1"}}),
        ({}, {"trackingUri": "workspace"}),
    ],
)
def test_how_a_workspace_is_reached_changes_no_policy(
    lab: Jobs, old: dict[str, Any], new: dict[str, Any]
) -> None:
    """The old map of texts and the typed object say the same; and whose records are kept, neither says."""
    assert changes(lab, old, new) == {}


@pytest.mark.parametrize("new", [{"workspace": "other"}, {"store": "./elsewhere"}, {"target": "local"}])
def test_another_workspace_changes_it(lab: Jobs, new: dict[str, Any]) -> None:
    assert changes(lab, {}, new) == {"workspace": "UPDATE"}
