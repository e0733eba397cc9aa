"""Updates that wait for runs: seen while their process lives, left by one that was killed, gone after one that ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from pulumi_training.record.store import Store
from pulumi_training.record.updates import Taken, Update, updates, waited_for

RUN, URN, BACKEND = "fit-0123456789", "urn:pulumi:dev::shop::training:index:TrainingJob::fit", "a" * 20


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(str(tmp_path / "store"))


def test_a_store_without_updates_has_none(store: Store) -> None:
    assert list(updates(store)) == [] and waited_for(store) == set()


def test_this_process_may_begin_again_after_an_end(store: Store) -> None:
    update = Update(store)
    update.end()
    for run in ("a-1", "b-1", "a-1"):
        update.take(Taken(run))
    assert waited_for(store) == {"a-1", "b-1"}
    update.end()
    update.end()
    assert store.children("updates") == ()
    update.take(Taken("c-1"))
    assert waited_for(store) == {"c-1"}
    update.end()


@pytest.mark.parametrize("text", ["", "{", "[]", "null"])
def test_damaged_words_of_a_living_update_are_believed(text: str, store: Store) -> None:
    update = Update(store)
    update.take(Taken(RUN, URN, BACKEND))
    folder = store.local_path("updates")
    assert folder is not None
    for path in folder.glob("*/**/*.json"):
        path.write_text(text)
    assert waited_for(store) == {RUN}
    update.end()
