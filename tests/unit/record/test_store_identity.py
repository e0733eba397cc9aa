"""A store's identity: made once, kept in it, moved along, never guessed."""

from __future__ import annotations

import json
import re
import shutil
import threading
from pathlib import Path

import pytest

from pulumi_training.agent.marks import is_elsewhere
from pulumi_training.record.documents import AttemptDocument
from pulumi_training.record.record import Record
from pulumi_training.record.runs import runs
from pulumi_training.record.store import Store, StoreError
from pulumi_training.record.store_identity import (
    KEY,
    ensure_identity,
    identity_of,
    place_of,
)
from pulumi_training.spec.errors import TrainingError


def test_a_store_has_no_identity_until_it_is_written_to_and_then_keeps_it(store: Store) -> None:
    assert identity_of(store) is None
    assert list(store.list()) == []
    made = ensure_identity(store)
    assert re.fullmatch("[0-9a-f]{32}", made)
    assert ensure_identity(store) == identity_of(store) == made
    assert [entry.key for entry in store.list()] == [KEY]


def test_two_stores_have_two_identities(tmp_path: Path) -> None:
    assert ensure_identity(Store.open(str(tmp_path / "a"))) != ensure_identity(
        Store.open(str(tmp_path / "b"))
    )


def test_the_intent_of_an_attempt_carries_it_and_gives_one_to_a_store_of_before(record: Record) -> None:
    assert identity_of(record.store) is None
    first = record.start_attempt(AttemptDocument(record.run_id, 1))
    second = record.start_attempt(AttemptDocument(record.run_id, 2, store_identity="of another store"))
    assert first and second
    made = identity_of(record.store)
    assert made and {first.document().store_identity, second.document().store_identity} == {made}


def test_an_attempt_of_before_has_none_and_is_given_none(record: Record) -> None:
    document = AttemptDocument(record.run_id, 1).to_json()
    assert "store_identity" not in document
    record.store.create(f"{record.prefix}/attempts/1/attempt.json", json.dumps(document).encode())
    attempt = record.newest()
    assert attempt and attempt.document().store_identity == ""
    assert attempt.update(progress="running").store_identity == ""
    assert identity_of(record.store) is None


def test_threads_that_use_a_store_first_at_once_agree(store: Store) -> None:
    start, found = threading.Barrier(8), []

    def use() -> None:
        start.wait()
        found.append(ensure_identity(store))

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and set(found) == {identity_of(store)}


def test_a_moved_store_keeps_it_and_a_copied_one_has_the_same(tmp_path: Path) -> None:
    made = ensure_identity(Store.open(str(tmp_path / "here")))
    shutil.copytree(tmp_path / "here", tmp_path / "copy")
    (tmp_path / "here").rename(tmp_path / "there")
    assert ensure_identity(Store.open(str(tmp_path / "there"))) == made
    assert ensure_identity(Store.open(str(tmp_path / "copy"))) == made


def test_a_store_that_cannot_be_written_is_read_without_an_identity_and_says_so_when_one_is_needed(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "store"
    folder.mkdir()
    blocked = Store.open(str(folder / "file"))
    (folder / "file").write_text("a file where a folder is needed")
    assert identity_of(blocked) is None
    with pytest.raises(StoreError, match="cannot be used"):
        ensure_identity(blocked)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"identity": 5}', b'{"identity": "short"}'])
def test_a_damaged_identity_is_named_with_the_way_out_and_never_replaced(
    store: Store, content: bytes
) -> None:
    store.write(KEY, content)
    for ask in (identity_of, ensure_identity):
        with pytest.raises(TrainingError, match=rf"{KEY} is damaged.*Remove the file"):
            ask(store)
    assert store.read(KEY) == content


def test_it_is_no_run(record: Record) -> None:
    ensure_identity(record.store)
    assert list(runs(record.store)) == []


def test_what_was_started_for_a_folder_is_that_stores_until_the_folder_is_gone(tmp_path: Path) -> None:
    def attempt_in(store: Path) -> Path:
        folder = store / "runs" / "fit-1" / "attempts" / "1"
        folder.mkdir(parents=True)
        return folder

    original, copy = attempt_in(tmp_path / "a"), attempt_in(tmp_path / "b")
    identity = ensure_identity(Store.open(str(tmp_path / "a")))
    shutil.copy(tmp_path / "a" / KEY, tmp_path / "b" / KEY)
    assert not is_elsewhere(str(original), str(original), identity)
    assert is_elsewhere(str(original), str(copy), identity)
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert not is_elsewhere(str(original), str(tmp_path / "link" / "runs/fit-1/attempts/1"), identity)
    shutil.rmtree(tmp_path / "a")
    assert not is_elsewhere(str(original), str(copy), identity), "the store was moved from a to b"
    attempt_in(tmp_path / "a")
    ensure_identity(Store.open(str(tmp_path / "a")))
    assert not is_elsewhere(str(original), str(copy), identity), "another store is where it was"


def test_one_place_under_two_names_is_one_place(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    a, b, link = (Store.open(str(tmp_path / name)) for name in ("a", "b", "link"))
    assert place_of(a) == place_of(link) != place_of(b)
    assert place_of(Store.open("memory://x/runs/")) == place_of(Store.open("memory://x/runs"))
