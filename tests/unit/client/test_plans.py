from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from shelf import Shelf

from pulumi_training.client.find import AmbiguousRun, RunNotFound
from pulumi_training.client.plans import find_plan, plans
from pulumi_training.record.staging import plan_file


def keep(folder: Path, run_id: str, job: str, *, at: float) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    plan = {
        "target": "local",
        "run_id": run_id,
        "attempt": 1,
        "request": {"cwd": "/c"},
        "slots": 1,
        "gpus": 0,
    }
    content = {"urn": f"urn:pulumi:dev::p::training:index:TrainingJob::{job}", "store": "/s", "plan": plan}
    path = folder / f"{run_id}.json"
    path.write_text(json.dumps(content))
    os.utime(path, (at, at))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / "plans"


def test_plans_are_listed_newest_first_and_damaged_ones_left_out(folder: Path) -> None:
    keep(folder, "fit-1", "fit", at=1.0)
    keep(folder, "fit-2", "fit", at=2.0)
    (folder / "broken.json").write_text("{")
    assert [plan.run_id for plan in plans()] == ["fit-2", "fit-1"]


def test_a_plan_is_found_by_id_job_and_beginning(folder: Path) -> None:
    keep(folder, "fit-1aaa", "fit", at=1.0)
    keep(folder, "fit-2bbb", "fit", at=2.0)
    assert find_plan("fit-1aaa").request == {"cwd": "/c"}
    assert find_plan("fit").run_id == "fit-2bbb"
    assert find_plan("fit-2").to_json()["plan"]["slots"] == 1
    with pytest.raises(AmbiguousRun, match="fit-1aaa, fit-2bbb"):
        find_plan("fi")


def test_plans_of_one_id_in_two_stores_are_kept_apart(
    folder: Path,
) -> None:
    for store in ("/a/lab", "/b/lab"):
        file = plan_file(store, "fit-1aaa")
        keep(file.parent, "fit-1aaa", "fit", at=1.0)
        text = (file.parent / "fit-1aaa.json").read_text().replace('"/s"', f'"{store}"')
        (file.parent / "fit-1aaa.json").unlink()
        file.write_text(text)
    assert sorted(plan.store for plan in plans()) == ["/a/lab", "/b/lab"]
    with pytest.raises(AmbiguousRun, match="/a/lab, /b/lab"):
        find_plan("fit-1aaa")
    assert find_plan("fit-1aaa", "/b/lab").store == "/b/lab"


def test_a_run_never_previewed_here_shows_what_was_sent(shelf: Shelf) -> None:
    shelf.finished("fit-0000000000", plan={"target": "local", "request": {"cwd": "/sent"}})
    kept = find_plan("fit")
    assert (kept.request, kept.is_from_record) == ({"cwd": "/sent"}, True)


def test_no_plan_says_how_to_make_one(shelf: Shelf) -> None:
    with pytest.raises(RunNotFound, match="pulumi preview"):
        find_plan("fit")
    shelf.run("fit-0000000000")
    with pytest.raises(RunNotFound, match="never planned"):
        find_plan("fit")
