"""Limits that change in place, where the target can change them and where it cannot."""

from __future__ import annotations

import pytest
from driver_fakes import PlainTarget

from pulumi_training.driver.amend import require_amendable
from pulumi_training.record.documents import AttemptDocument
from pulumi_training.spec.errors import SpecError
from pulumi_training.spec.outcome import Outcome, Reason, Status
from pulumi_training.targets import catalog
from pulumi_training.targets.contract.capabilities import Amends

LIVE = AttemptDocument("fit-1", 1, status=Status.RUNNING, target="far", handle={"target": "far"})
BEFORE = {"maxRunDurationSeconds": None, "gracePeriodSeconds": 30.0, "tags": {}}


@pytest.fixture(autouse=True)
def targets(monkeypatch: pytest.MonkeyPatch) -> None:
    real = catalog.get
    monkeypatch.setattr(
        catalog, "get", lambda name, package="": PlainTarget() if name == "far" else real(name)
    )


def test_a_limit_that_cannot_change_is_refused_by_property_and_names_who_can() -> None:
    after = {**BEFORE, "maxRunDurationSeconds": 60.0, "gracePeriodSeconds": 5.0}
    with pytest.raises(SpecError) as refusal:
        require_amendable(LIVE, BEFORE, after)
    assert [p.path for p in refusal.value.problems] == ["maxRunDurationSeconds", "gracePeriodSeconds"]
    able = [name for name in catalog.names() if issubclass(type(catalog.get(name)), Amends)]
    assert able and all(name in str(refusal.value) for name in able)
    assert "pulumi-training cancel fit-1" in str(refusal.value)


def test_tags_change_everywhere() -> None:
    require_amendable(LIVE, BEFORE, {**BEFORE, "tags": {"team": "vision"}})


def test_limits_of_what_does_not_run_change_everywhere() -> None:
    after = {**BEFORE, "maxRunDurationSeconds": 60.0}
    require_amendable(LIVE.changed(outcome=Outcome(Reason.COMPLETED)), BEFORE, after)
    require_amendable(AttemptDocument("fit-1", 1, target="far"), BEFORE, after)
