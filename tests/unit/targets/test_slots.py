"""The slots of a cluster: first come, first served, and never held by the dead."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pulumi_training.spec.errors import PermanentError
from pulumi_training.targets.local.slots import Owner, Slots, me


def test_first_come_first_served(tmp_path: Path) -> None:
    slots = Slots(tmp_path, 4)
    assert slots.enter("a", 1, 3, 0, me(), tmp_path) is None
    assert slots.enter("b", 1, 2, 0, me(), tmp_path) == 1
    assert slots.enter("c", 1, 1, 0, me(), tmp_path) == 2, "a narrow run does not overtake a wide one"
    slots.leave("a", 1)
    assert slots.enter("c", 1, 1, 0, me(), tmp_path) is None, "both fit now"
    assert slots.enter("b", 1, 2, 0, me(), tmp_path) is None
    assert [t.run_id for t in slots.tickets()] == ["b", "c"]


def test_wide_run_is_not_starved(tmp_path: Path) -> None:
    slots = Slots(tmp_path, 2)
    assert slots.enter("a", 1, 1, 0, me(), tmp_path) is None
    assert slots.enter("wide", 1, 2, 0, me(), tmp_path) == 1
    for number in range(5):
        assert slots.enter(f"narrow-{number}", 1, 1, 0, me(), tmp_path) == 2 + number
    slots.leave("a", 1)
    assert slots.enter("wide", 1, 2, 0, me(), tmp_path) is None
    assert slots.enter("narrow-0", 1, 1, 0, me(), tmp_path) == 1


def test_entering_twice_keeps_the_place(tmp_path: Path) -> None:
    slots = Slots(tmp_path, 1)
    assert slots.enter("a", 1, 1, 0, me(), tmp_path) is None
    assert slots.enter("a", 1, 1, 0, me(), tmp_path) is None
    assert slots.enter("b", 1, 1, 0, me(), tmp_path) == 1
    assert slots.enter("b", 1, 1, 0, me(), tmp_path) == 1
    assert len(slots.tickets()) == 2


def test_gpus_are_given_once(tmp_path: Path) -> None:
    slots = Slots(tmp_path, 8, gpus=4)
    assert slots.enter("a", 1, 1, 2, me(), tmp_path) is None
    assert slots.enter("b", 1, 1, 1, me(), tmp_path) is None
    assert slots.enter("c", 1, 1, 2, me(), tmp_path) == 1
    held = {t.run_id: t.gpus for t in slots.tickets()}
    assert held == {"a": (0, 1), "b": (2,), "c": ()}
    slots.leave("a", 1)
    assert slots.enter("c", 1, 1, 2, me(), tmp_path) is None
    ticket = slots.held("c", 1)
    assert ticket is not None and ticket.gpus == (0, 1)


@pytest.mark.parametrize(("slots", "gpus"), [(3, 0), (1, 1)])
def test_what_can_never_fit_is_refused_and_bars_nobody(tmp_path: Path, slots: int, gpus: int) -> None:
    cluster = Slots(tmp_path, 2)
    with pytest.raises(PermanentError, match="the cluster has 2 and 0"):
        cluster.enter("a", 1, slots, gpus, me(), tmp_path)
    assert cluster.enter("b", 1, 2, 0, me(), tmp_path) is None


def test_a_pid_used_again_is_another_process(tmp_path: Path) -> None:
    slots = Slots(tmp_path, 1)
    other = Owner(os.getpid(), "an earlier birth")
    assert slots.enter("a", 1, 1, 0, other, tmp_path / "a") is None
    assert slots.enter("b", 1, 1, 0, me(), tmp_path / "b") is None


def test_torn_file_is_an_empty_queue(tmp_path: Path) -> None:
    slots = Slots(tmp_path, 1)
    assert slots.enter("a", 1, 1, 0, me(), tmp_path) is None
    for text in ('[{"run_id": "a", "attem', '{"a": 1}', "[3]", '[{"run_id": "a"}]', ""):
        slots.file.write_text(text)
        assert slots.tickets() == ()
        assert slots.enter("b", 1, 1, 0, me(), tmp_path) is None
        slots.leave("b", 1)


def test_clusters_of_one_name_in_two_stores_are_two(tmp_path: Path) -> None:
    compute = {
        "store": "s",
        "workspace": "lab",
        "cluster": "cpu",
        "maxNodes": 2,
        "slotsPerNode": 3,
        "gpusPerNode": 1,
    }
    one, two = Slots.of(compute, tmp_path), Slots.of({**compute, "store": "t"}, tmp_path)
    assert (one.total, one.gpus) == (6, 2)
    assert one.file != two.file


COMPUTE = {"store": ".training/lab", "workspace": "lab", "cluster": "cpu", "maxNodes": 1, "slotsPerNode": 2}


def attempt_in(store: Path, run_id: str) -> Path:
    folder = store / "runs" / run_id / "attempts" / "1"
    (folder / "launch").mkdir(parents=True)
    return folder


def test_unrelated_projects_whose_stores_have_one_relative_path_share_nothing(tmp_path: Path) -> None:
    one, other = (Slots.of(COMPUTE, tmp_path, digit * 32) for digit in "12")
    assert one.enter("a", 1, 2, 0, me(), tmp_path / "a") is None
    assert other.enter("a", 1, 2, 0, me(), tmp_path / "b") is None


def test_all_who_use_one_store_share_its_slots_however_its_path_is_written(tmp_path: Path) -> None:
    one = Slots.of(COMPUTE, tmp_path, "1" * 32)
    same = Slots.of({**COMPUTE, "store": "/home/me/program/.training/lab"}, tmp_path, "1" * 32)
    assert one.enter("a", 1, 2, 0, me(), tmp_path / "a") is None
    assert same.enter("b", 1, 1, 0, me(), tmp_path / "b") == 1
    assert (
        Slots.of({**COMPUTE, "cluster": "big"}, tmp_path, "1" * 32).enter("b", 1, 1, 0, me(), tmp_path / "b")
        is None
    ), "another cluster has slots of its own"


def test_two_copies_of_an_attempt_have_two_places_in_the_queue(tmp_path: Path) -> None:
    slots = Slots.of(COMPUTE, tmp_path, "1" * 32)
    assert slots.enter("a", 1, 2, 0, me(), tmp_path / "original") is None
    assert slots.enter("a", 1, 2, 0, me(), tmp_path / "copy") == 1
    slots.leave("a", 1, tmp_path / "copy")
    assert slots.held("a", 1, tmp_path / "original") is not None


def test_a_run_of_before_keeps_its_slots_in_its_own_store(tmp_path: Path) -> None:
    """It queued under the path of the store as it was written, with whoever else wrote it."""
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    before = Slots.of(COMPUTE, tmp_path)
    assert before.enter("old", 1, 1, 0, me(), attempt_in(here, "old")) is None
    assert before.enter("other", 1, 1, 0, me(), attempt_in(elsewhere, "other")) is None
    now = Slots.of(COMPUTE, tmp_path, "1" * 32)
    assert now.enter("wide", 1, 2, 0, me(), attempt_in(here, "wide")) == 1
    before.leave("old", 1)
    assert now.enter("wide", 1, 2, 0, me(), here / "runs" / "wide" / "attempts" / "1") is None
