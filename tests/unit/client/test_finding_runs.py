from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from shelf import Shelf

from pulumi_training.client.find import AmbiguousRun, RunNotFound, find
from pulumi_training.client.places import places
from pulumi_training.client.runs import list_runs, run_json
from pulumi_training.record import workspaces
from pulumi_training.record.lock import DriverLock
from pulumi_training.record.retention import prune
from pulumi_training.record.store import Store
from pulumi_training.spec.errors import SpecError
from pulumi_training.spec.outcome import Status


def test_runs_are_listed_the_newest_first(shelf: Shelf) -> None:
    now = time.time()
    shelf.finished("old-0000000000", "old", created_at=now - 100)
    shelf.failed("new-0000000000", "new")
    found = list_runs()
    assert [line.run_id for line in found.lines] == ["new-0000000000", "old-0000000000"]
    new, old = found.lines
    assert (new.status, new.reason, new.workspace, new.project) == ("Failed", "ScriptFailed", "lab", "shop")
    assert (old.status, old.reason, old.metrics) == ("Completed", None, {"accuracy": 0.9611})
    assert old.duration() == pytest.approx(65, abs=1)
    assert json.loads(json.dumps(run_json(old)))["started_at"].endswith("Z")


def test_the_list_is_filtered_and_cut(shelf: Shelf) -> None:
    for n in range(4):
        shelf.finished(f"fit-000000000{n}")
    shelf.failed("bad-0000000000", "bad")
    assert len(list_runs(statuses=[Status.FAILED]).lines) == 1
    cut = list_runs(limit=3)
    assert (len(cut.lines), cut.left_out) == (3, 2)
    assert list_runs(workspace="other").lines == ()
    assert len(list_runs(store=shelf.store.url, workspace="lab").lines) == 5


def test_a_live_run_without_a_driver_is_called_unattended(shelf: Shelf) -> None:
    attempt = shelf.live("fit-0000000000")
    record = find("fit").record
    assert list_runs().lines[0].is_attended is False
    with DriverLock(record) as lock:
        assert lock.acquire()
        assert list_runs().lines[0].is_attended is True
    assert attempt.document().is_live


def test_a_pruned_run_still_has_its_line(shelf: Shelf) -> None:
    shelf.finished("fit-0000000000")
    prune(find("fit").record)
    line = list_runs().lines[0]
    assert (line.status, line.is_pruned, line.metrics) == ("Completed", True, {"accuracy": 0.9611})


def test_a_store_that_cannot_be_read_stops_no_other(shelf: Shelf) -> None:
    shelf.finished("fit-0000000000")
    workspaces.remember("nosuchscheme://user:hunter22@place/runs", "far")
    found = list_runs()
    assert len(found.lines) == 1
    assert found.unreadable[0].store.startswith("nosuchscheme://")
    assert "hunter22" not in found.unreadable[0].store + found.unreadable[0].message


@pytest.mark.parametrize("text", ["fit-00aa", "fit-00aa000000", "fit"])
def test_a_run_is_found_by_id_beginning_and_job(shelf: Shelf, text: str) -> None:
    shelf.finished("fit-00aa000000")
    shelf.finished("fitness-0000000000", "fitness")
    assert find(text).run.run_id == "fit-00aa000000"


def test_a_job_name_means_its_newest_run(shelf: Shelf) -> None:
    shelf.finished("fit-1111111111", created_at=time.time() - 50)
    shelf.finished("fit-0000000000", created_at=time.time())
    shelf.finished("fit-2222222222", created_at=time.time() - 90)
    assert find("fit").run.run_id == "fit-0000000000"


def test_a_long_job_name_is_found_though_ids_cut_it(shelf: Shelf) -> None:
    name = "a-very-long-name-for-a-training-job-1234"
    shelf.finished(f"{name[:33]}-0123456789", name)
    assert find(name).run.name == name


def test_an_ambiguous_beginning_names_the_candidates(shelf: Shelf) -> None:
    shelf.finished("fit-aa00000000")
    shelf.finished("fit-ab00000000")
    with pytest.raises(AmbiguousRun, match="fit-aa00000000, fit-ab00000000"):
        find("fit-a")


def test_a_run_is_found_by_store_and_id(shelf: Shelf, tmp_path: Path) -> None:
    other = Shelf(Store.open(str(tmp_path / "elsewhere")))
    other.finished("far-0000000000", "far")
    with pytest.raises(RunNotFound, match="lab"):
        find("far")
    assert find(f"{tmp_path / 'elsewhere'}#far-0000000000").run.name == "far"
    assert find("far", str(tmp_path / "elsewhere")).run.name == "far"


def test_one_id_in_two_stores_means_the_newer(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "clone").mkdir()
    workspaces.remember(str(tmp_path / "clone"), "lab")
    shelf.finished("fit-0000000000", created_at=time.time() - 10)
    Shelf(Store.open(str(tmp_path / "clone"))).finished("fit-0000000000", created_at=time.time())
    assert find("fit-0000").record.store.url == str(tmp_path / "clone")


def test_what_is_to_change_must_be_in_one_store(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "clone" / "lab").mkdir(parents=True)
    workspaces.remember(str(tmp_path / "clone" / "lab"), "lab")
    clone = Shelf(Store.open(str(tmp_path / "clone" / "lab")))
    for each in (shelf, clone):
        each.live("fit-0000000000")
    for text in ("fit-0000000000", "fit", "fit-00"):
        with pytest.raises(AmbiguousRun, match=f"{tmp_path}/clone/lab#fit-0000000000.*{tmp_path}/lab#fit-"):
            find(text, to_change=True)
    assert find(f"{tmp_path}/lab#fit-0000000000", to_change=True).record.store.url == str(tmp_path / "lab")
    monkeypatch.chdir(tmp_path / "clone")
    assert find("fit", to_change=True).record.store.url == str(tmp_path / "clone" / "lab")
    (tmp_path / "clone" / "link").symlink_to(tmp_path / "clone" / "lab")
    workspaces.remember(str(tmp_path / "clone" / "link"), "lab")
    assert find("fit", to_change=True).run.name == "fit", "one store under two names"


def test_the_store_of_the_program_that_one_stands_in_comes_first(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine" / "lab").mkdir(parents=True)
    workspaces.remember(str(tmp_path / "mine" / "lab"), "lab")
    Shelf(Store.open(str(tmp_path / "mine" / "lab"))).finished("fit-0000000000", created_at=1.0)
    shelf.finished("fit-0000000000", created_at=2.0)
    assert find("fit-0000000000").record.store.url == str(tmp_path / "lab")
    monkeypatch.chdir(tmp_path / "mine")
    assert find("fit-0000000000").record.store.url == str(tmp_path / "mine" / "lab")


def test_nothing_known_says_what_to_do() -> None:
    with pytest.raises(RunNotFound, match="--store"):
        find("fit")
    assert places().found == ()
    with pytest.raises(SpecError):
        find("fit", "")
