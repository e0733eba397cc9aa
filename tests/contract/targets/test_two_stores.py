"""Attempts of one run id and number in two stores: each is found, stopped and removed by its own store only."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from places import Place, Started, real_places, until

from pulumi_training.record.store import Store
from pulumi_training.record.store_identity import ensure_identity
from pulumi_training.spec.outcome import Status
from pulumi_training.targets.contract.handle import Handle

pytestmark = pytest.mark.parametrize("place", real_places(), indirect=True)
RUN_ID = "fit-0123456789"
ONE = {"nodeCount": 1, "processCountPerNode": 1, "distributedBackend": None, "run_id": RUN_ID}
SLEEP = "import time\nprint('ready', flush=True)\ntime.sleep(100)\n"
AGES = {
    "two of now": (False, False),
    "one of before, ours of now": (False, True),
    "one of now, ours of before": (True, False),
}


def start(place: Place, store: Path, script: str = SLEEP, *, is_of_before: bool = False) -> Started:
    started = place.start(script, store=store, is_of_before=is_of_before, **ONE)
    return started.until_printed("ready") if script is SLEEP else started


@pytest.mark.parametrize("ages", AGES.values(), ids=AGES)
def test_each_store_has_an_attempt_of_its_own(place: Place, tmp_path: Path, ages: tuple[bool, bool]) -> None:
    mine = start(place, tmp_path / "mine", is_of_before=ages[0])
    theirs = start(place, tmp_path / "theirs", is_of_before=ages[1])
    left = place.left(theirs)
    assert left and place.left(mine)
    assert {h.key for h in place.target.leftovers(None, print) if h.run_id == RUN_ID} == {
        mine.handle.key,
        theirs.handle.key,
    }
    place.target.cancel(mine.compute, mine.handle, 0.0)
    assert mine.ended().status is Status.FAILED
    place.target.remove(mine.compute, mine.handle)
    assert place.left(mine) == []
    assert (theirs.observe().status, place.left(theirs)) == (Status.RUNNING, left)
    place.target.cancel(theirs.compute, theirs.handle, 0.0)
    assert theirs.ended().status is Status.FAILED and place.left(theirs) == []


def test_the_end_of_one_ends_nothing_of_the_other(place: Place, tmp_path: Path) -> None:
    theirs = start(place, tmp_path / "theirs")
    left = place.left(theirs)
    mine = start(place, tmp_path / "mine", "open('outputs/x', 'w').write('x')")
    assert mine.ended().status is Status.COMPLETED
    mine.collect()
    place.target.remove(mine.compute, mine.handle)
    assert (theirs.observe().status, place.left(theirs)) == (Status.RUNNING, left)


def test_a_copy_of_a_store_stops_nothing_of_the_original(place: Place, tmp_path: Path) -> None:
    """Both have one identity: what tells them apart is where the attempt was started."""
    original = start(place, tmp_path / "original")
    left = place.left(original)
    shutil.copytree(tmp_path / "original", tmp_path / "copy", symlinks=True)
    folder = tmp_path / "copy" / original.run.folder.relative_to(tmp_path / "original")
    copied = replace(original.handle, folder=str(folder))
    assert place.target.observe(original.compute, [copied])[copied].status is not Status.RUNNING
    place.target.cancel(original.compute, copied, 0.0)
    place.target.remove(original.compute, copied)
    assert (original.observe().status, place.left(original)) == (Status.RUNNING, left)


def test_a_moved_store_still_stops_what_it_started(place: Place, tmp_path: Path) -> None:
    started = start(place, tmp_path / "before")
    (tmp_path / "before").rename(tmp_path / "now")
    assert ensure_identity(Store.open(str(tmp_path / "now"))) == started.run.store
    folder = str(tmp_path / "now" / started.run.folder.relative_to(tmp_path / "before"))
    moved = replace(started.handle, folder=folder, began_in=started.handle.folder)
    place.target.cancel(started.compute, moved, 0.0)
    until(lambda: not place.left(replace_handle(started, moved)), "the end of everything")
    place.target.remove(started.compute, moved)
    assert place.left(replace_handle(started, moved)) == []


def replace_handle(started: Started, handle: Handle) -> Started:
    return Started(started.place, replace(started.run, folder=Path(handle.folder)), started.plan, handle)
