"""What changes a job: in place, by replacement, or not at all; and what forces another attempt."""

from __future__ import annotations

import pytest
from lab import Lab, replaced_by, said

pytestmark = pytest.mark.engine


def test_tags_change_in_place_and_arguments_replace(lab: Lab) -> None:
    lab.settings = {"script_params": {"--rate": 0.1}}
    stack = lab.stack()
    first = stack.up().succeeded().result.outputs["run_id"].value

    lab.settings["tags"] = {"team": "vision"}
    tagged = stack.up().succeeded()
    assert tagged.steps()["fit"] == "update"
    assert len(lab.attempts()) == 1
    assert lab.job_state(stack)["inputs"]["tags"] == {"team": "vision"}

    lab.settings["script_params"] = {"--rate": 0.2}
    preview = stack.preview().succeeded()
    assert any(path.startswith("arguments") for path in replaced_by(preview)), preview.text
    assert "0.1" in said(preview)
    assert "0.2" in said(preview)
    second = stack.up().succeeded().result.outputs["run_id"].value
    assert second != first

    # Back to what was trained before: a replacement is asked for, so it is trained again.
    lab.settings["script_params"] = {"--rate": 0.1}
    third = stack.up().succeeded().result.outputs
    assert third["run_id"].value == first
    assert third["attempt"].value == 2

    urn = lab.job_state(stack)["urn"]
    forced = stack.up(replace=[urn]).succeeded().result.outputs
    assert forced["run_id"].value == first
    assert forced["attempt"].value == 3
    assert stack.preview().succeeded().steps()["fit"] == "same"


def test_destroy_keeps_the_record_unless_it_is_to_be_purged(lab: Lab) -> None:
    stack = lab.stack()
    stack.up().succeeded()
    stack.destroy().succeeded()
    assert stack.resources() == []
    assert [a["status"] for a in lab.attempts()] == ["Completed"]

    lab.settings["purge_on_delete"] = True
    assert stack.up().succeeded().result.outputs["attempt"].value == 2
    stack.destroy().succeeded()
    assert not lab.attempts()
    assert not list(lab.store.glob("runs/fit-*"))
