"""A job's name means a run of the project and stack of the folder that a command is given in."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from projects import Project, project
from shelf import Shelf

from pulumi_training.client.find import AmbiguousRun, RunElsewhere, find
from pulumi_training.client.here import here
from pulumi_training.client.plans import find_plan, is_of_project, plans
from pulumi_training.client.run import Run
from pulumi_training.client.runs import list_runs
from pulumi_training.record import workspaces
from pulumi_training.record.backend import backend_at
from pulumi_training.record.claims import claim
from pulumi_training.record.store import Store
from pulumi_training.spec.names import distinct


@pytest.fixture(autouse=True)
def outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("PULUMI_STACK", "PULUMI_BACKEND_URL", "PULUMI_ACCESS_TOKEN", "PWD"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "outside").mkdir()
    monkeypatch.chdir(tmp_path / "outside")


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    found = project(tmp_path, "mine")
    found.select("dev")
    monkeypatch.chdir(found.folder)
    return found


@pytest.fixture
def theirs(tmp_path: Path) -> Project:
    found = project(tmp_path, "theirs")
    found.select("dev")
    return found


def test_a_name_means_this_projects_run_though_anothers_is_newer(
    mine: Project, theirs: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine.shelf().finished("fit-0000000001", created_at=1.0)
    theirs.shelf().finished("fit-0000000002", created_at=2.0)
    for text in ("fit", "fit-0"):
        for to_change in (False, True):
            found = find(text, to_change=to_change)
            assert (found.run.run_id, found.note) == ("fit-0000000001", "")
    (mine.folder / "src").mkdir()
    monkeypatch.chdir(mine.folder / "src")
    assert find("fit").run.run_id == "fit-0000000001"
    monkeypatch.chdir(theirs.folder)
    assert find("fit").run.run_id == "fit-0000000002"


def test_a_full_id_is_found_from_anywhere(mine: Project, theirs: Project) -> None:
    theirs.shelf().finished("fit-0000000002")
    found = find("fit-0000000002", to_change=True)
    assert (found.run.run_id, found.note) == ("fit-0000000002", "")


def test_a_run_that_is_only_elsewhere_is_shown_with_whose_it_is(mine: Project, theirs: Project) -> None:
    theirs.shelf().finished("fit-0000000002")
    found = find("fit")
    assert found.run.run_id == "fit-0000000002"
    for word in ("project mine", "stack dev", "fit-0000000002", "project theirs"):
        assert word in found.note


@pytest.mark.parametrize("text", ["fit", "fit-00"])
def test_what_changes_a_run_refuses_one_that_is_only_elsewhere(
    mine: Project, theirs: Project, text: str
) -> None:
    theirs.shelf().live("fit-0000000002")
    with pytest.raises(RunElsewhere, match=r"fit-0000000002 \(project theirs, stack dev\)"):
        find(text, to_change=True)


def test_several_projects_elsewhere_are_ambiguous(mine: Project, theirs: Project, tmp_path: Path) -> None:
    theirs.shelf().finished("fit-0000000002")
    project(tmp_path, "third").shelf().finished("fit-0000000003")
    with pytest.raises(AmbiguousRun) as caught:
        find("fit")
    for run_id in ("fit-0000000002", "fit-0000000003"):
        assert run_id in str(caught.value)


def test_the_selected_stack_decides(mine: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    mine.shelf("dev").finished("fit-0000000001", created_at=1.0)
    mine.shelf("prod").live("fit-0000000002")
    assert find("fit").run.run_id == "fit-0000000001"
    mine.select("organization/mine/prod")
    assert find("fit").run.run_id == "fit-0000000002"
    monkeypatch.setenv("PULUMI_STACK", "dev")
    assert find("fit").run.run_id == "fit-0000000001"
    monkeypatch.setenv("PULUMI_STACK", "")  # for pulumi that is none
    with pytest.raises(AmbiguousRun, match=r"fit-0000000002 .*stack prod.*fit-0000000001 .*stack dev"):
        find("fit")


def test_the_stack_is_that_of_the_current_backend(mine: Project) -> None:
    mine.select("old", **{"https://api.pulumi.com": "cloud", f"file://{mine.folder}": "near"})
    assert here().stack == "near"
    mine.select("old", **{"https://api.pulumi.com": "cloud"})
    assert here().stack == "old"


def test_a_project_reached_through_a_link_has_the_stack_that_pulumi_keeps_under_the_links_name(
    mine: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "link").symlink_to(mine.folder)
    Project(tmp_path / "link", "mine").select("linked")
    monkeypatch.setenv("PWD", str(tmp_path / "link"))
    assert here().stack == "linked"
    monkeypatch.setenv("PWD", str(tmp_path / "outside"))
    assert here().stack == "dev"


def test_stacks_of_one_name_in_two_backends_are_told_apart(
    mine: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = project(tmp_path, "mine", "clone")
    shared = tmp_path / "shared"
    shared.mkdir()
    workspaces.remember(str(shared), "lab")
    shelf = Shelf(Store.open(str(shared)), "mine")
    for place, run_id, at in ((mine, "fit-0000000001", 1.0), (clone, "fit-0000000002", 2.0)):
        backend = backend_at(f"file://{place.folder}", place.folder)
        assert backend is not None
        shelf.attempt(shelf.run(run_id), backend=backend.digest, created_at=at)
    assert find("fit").run.run_id == "fit-0000000001"
    monkeypatch.chdir(clone.folder)
    assert find("fit").run.run_id == "fit-0000000002"
    backend = backend_at(f"file://{clone.folder}", clone.folder)
    assert backend is not None
    record = find("fit-0000000001").record
    claim(record, backend, {"urn": "", "stack": "dev", "project": "mine"}, 1)
    record.attempt(1).update(created_at=3.0)
    assert find("fit").run.run_id == "fit-0000000001"


def test_a_moved_checkout_still_has_the_runs_in_its_own_folder(mine: Project) -> None:
    shelf = mine.shelf()
    shelf.attempt(shelf.run("fit-0000000001"), backend="0" * 20)
    assert find("fit", to_change=True).run.run_id == "fit-0000000001"


def test_runs_made_before_backends_were_recorded_are_the_projects(mine: Project, tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    workspaces.remember(str(tmp_path / "far"), "lab")
    Shelf(Store.open(str(tmp_path / "far")), "mine").finished("fit-0000000001")
    assert find("fit", to_change=True).note == ""


def test_without_a_project_a_folders_runs_are_those_in_its_own_stores(
    theirs: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "outside" / "lab").mkdir()
    workspaces.remember(str(tmp_path / "outside" / "lab"), "lab")
    Shelf(Store.open(str(tmp_path / "outside" / "lab")), "inline").live("fit-0000000001")
    theirs.shelf().live("fit-0000000002")
    assert find("fit", to_change=True).run.run_id == "fit-0000000001"
    monkeypatch.chdir(tmp_path)  # a project below is another's
    (tmp_path / "outside" / "lab").rename(tmp_path / "outside" / "gone")
    with pytest.raises(RunElsewhere, match="fit-0000000002"):
        find("fit", to_change=True)
    assert "fit-0000000002" in find("fit").note


def test_without_a_project_a_store_that_is_named_is_the_place(theirs: Project) -> None:
    store = theirs.shelf().store
    theirs.shelf().live("fit-0000000002")
    found = find("fit", store.url, to_change=True)
    assert (found.run.run_id, found.note) == ("fit-0000000002", "")
    theirs.shelf("prod").live("fit-0000000003")
    with pytest.raises(AmbiguousRun, match="fit-0000000003"):
        find("fit", store.url, to_change=True)


def test_a_notebooks_runs_are_those_of_its_folder(mine: Project, theirs: Project) -> None:
    experiment = {"experimentName": "digits 7"}
    for place, run_id, at in (
        (mine, "fit-0000000001", 1.0),
        (mine, "fit-0000000002", 2.0),
        (theirs, "fit-3", 3.0),
    ):
        shelf = Shelf(place.shelf().store, distinct("digits 7"), f"fit-{run_id[-5:]}")
        shelf.attempt(shelf.run(run_id, more=experiment), created_at=at)
    assert find("fit", to_change=True).run.run_id == "fit-0000000002"
    assert [line.run_id for line in list_runs(here=here()).lines] == ["fit-0000000002", "fit-0000000001"]


def test_the_list_is_of_this_project_and_counts_the_others(mine: Project, theirs: Project) -> None:
    mine.shelf("dev").finished("fit-0000000001", created_at=1.0)
    mine.shelf("prod").finished("fit-0000000002", created_at=2.0)
    theirs.shelf().finished("fit-0000000003")
    found = list_runs(here=here())
    assert [line.run_id for line in found.lines] == ["fit-0000000002", "fit-0000000001"]
    assert found.elsewhere == 1
    every = list_runs()
    assert (len(every.lines), every.elsewhere) == (3, 0)


def test_a_run_of_another_project_is_got_with_a_warning_and_not_changed(
    mine: Project, theirs: Project
) -> None:
    theirs.shelf().finished("fit-0000000002")
    with pytest.warns(UserWarning, match="fit-0000000002 of project theirs"):
        run = Run.get("fit")
    assert run.get_status() == "Completed"
    for change in (run.cancel, lambda: run.tag("a", "b")):
        with pytest.raises(RunElsewhere, match="fit-0000000002"):
            change()
    Run.get("fit-0000000002").tag("a", "b")
    assert run.get_tags() == {"a": "b"}


def test_plans_go_by_the_same_rule(
    mine: Project, theirs: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "state" / "plans"
    folder.mkdir(parents=True)
    for place, run_id in ((mine, "fit-1"), (theirs, "fit-2")):
        content = {
            "urn": f"urn:pulumi:dev::{place.name}::training:index:TrainingJob::fit",
            "store": place.shelf().store.display,
            "plan": {"run_id": run_id, "request": {}},
        }
        (folder / f"{run_id}.json").write_text(json.dumps(content))
        time.sleep(0.01)
    assert (find_plan("fit").run_id, find_plan("fit").note) == ("fit-1", "")
    assert [plan.run_id for plan in plans() if is_of_project(plan, here())] == ["fit-1"]
    assert find_plan("fit-2").run_id == "fit-2"
    (folder / "fit-1.json").unlink()
    assert "fit-2 of project theirs" in find_plan("fit").note
