"""Updates of processes that live and die."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pulumi_training.record.record import Record
from pulumi_training.record.store import Store
from pulumi_training.record.updates import Taken, is_waited_for, updates, waited_for

RUN, URN, BACKEND = "fit-0123456789", "urn:pulumi:dev::shop::training:index:TrainingJob::fit", "a" * 20
PROGRAM = f"""
import sys
from pulumi_training.record.store import Store
from pulumi_training.record.updates import Taken, Update
update = Update(Store.open(sys.argv[1]))
update.take(Taken({RUN!r}, {URN!r}, {BACKEND!r}))
print("taken", flush=True)
sys.stdin.read()
update.end()
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(str(tmp_path / "store"))


@contextmanager
def another(store: Store) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, store.url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "taken\n"
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_living_update_is_seen_by_others_and_gone_after_its_end(store: Store) -> None:
    with another(store) as process:
        assert waited_for(store) == {RUN}
        assert is_waited_for(Record(store, RUN), BACKEND)
        assert not is_waited_for(Record(store, RUN), "b" * 20)
        process.communicate("")
        assert process.returncode == 0
    assert store.children("updates") == ()


def test_a_killed_update_leaves_what_it_had_in_hand(store: Store) -> None:
    with another(store) as process:
        process.kill()
        process.wait()
        (seen,) = updates(store)
        assert not seen.is_alive() and seen.taken == (Taken(RUN, URN, BACKEND),)
        assert waited_for(store) == set()
        seen.forget()
    assert list(updates(store)) == []
