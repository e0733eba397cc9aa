"""What tells an attempt's processes and handle from those of another store with the same run id."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from pulumi_training.driver.attempt_run import driven_on, handle_of
from pulumi_training.record.documents import AttemptDocument
from pulumi_training.record.holder import this_process
from pulumi_training.record.record import Record
from pulumi_training.record.store import Store
from pulumi_training.spec.outcome import Outcome, Reason
from pulumi_training.targets.contract.handle import Handle

RUN_ID = f"marks-{os.getpid()}"


def attempt_in(store: Path) -> Path:
    folder = store / "runs" / RUN_ID / "attempts" / "1"
    folder.mkdir(parents=True)
    return folder


def test_a_handle_is_of_the_folder_that_its_attempt_has_now(tmp_path: Path) -> None:
    record = Record(Store.open(str(tmp_path / "a")), RUN_ID)
    attempt = record.start_attempt(AttemptDocument(RUN_ID, 1, target="local"))
    assert attempt is not None
    rebuilt = handle_of(attempt, attempt.document())
    assert rebuilt == Handle("local", RUN_ID, 1, str(attempt.folder), store=attempt.document().store_identity)
    attempt.update(handle=rebuilt.to_json())
    assert handle_of(attempt, attempt.document()) == rebuilt

    shutil.copytree(tmp_path / "a", tmp_path / "copy")
    copied = Record(Store.open(str(tmp_path / "copy")), RUN_ID).attempt(1)
    of_copy = handle_of(copied, copied.document())
    assert (of_copy.folder, of_copy.began_in) == (str(copied.folder), "")
    assert not of_copy.owns(rebuilt.store, rebuilt.folder)

    (tmp_path / "a").rename(tmp_path / "b")
    moved = Record(Store.open(str(tmp_path / "b")), RUN_ID).attempt(1)
    of_moved = handle_of(moved, moved.document())
    assert (of_moved.folder, of_moved.began_in) == (str(moved.folder), rebuilt.folder)
    assert of_moved.owns(rebuilt.store, rebuilt.folder)


def test_working_copies_of_one_remote_store_have_one_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store.open("memory://working-copies/runs")
    monkeypatch.setenv("TRAINING_STATE_DIR", str(tmp_path / "first"))
    attempt = Record(store, RUN_ID).start_attempt(AttemptDocument(RUN_ID, 1, target="local"))
    assert attempt is not None
    began = handle_of(attempt, attempt.document())
    attempt.prepare_folder()
    monkeypatch.setenv("TRAINING_STATE_DIR", str(tmp_path / "second"))
    attempt.prepare_folder()
    assert handle_of(attempt, attempt.document()).owns(began.store, began.folder)
    attempt.update(handle=began.to_json())
    here = handle_of(attempt, attempt.document())
    assert (here.folder, here.began_in) == (str(attempt.folder), began.folder)
    assert here.owns(began.store, began.folder)

    other = Record(Store.open("memory://another/runs"), RUN_ID).attempt(1)
    assert not replace(here, folder=str(other.prepare_folder()), began_in="").owns(began.store, began.folder)


def test_a_live_attempt_says_which_other_machine_drove_it() -> None:
    me = this_process()
    there = {"pid": 1, "host": "elsewhere", "boot_id": "b", "started_at": 1.0}
    begun = AttemptDocument(RUN_ID, 1, target="local", plan={}, supervisor=there)
    assert driven_on(begun) == "elsewhere"
    assert driven_on(replace(begun, supervisor={**there, "host": me.host})) == ""
    assert driven_on(replace(begun, supervisor=None)) == "", "no process drove it yet"
    assert driven_on(replace(begun, plan=None)) == "", "nothing was to be submitted"
    ended = begun.changed(outcome=Outcome(Reason.COMPLETED))
    assert driven_on(ended) == "", "it was seen to end"


def test_a_handle_recorded_before_stores_had_an_identity_is_read_as_it_is(tmp_path: Path) -> None:
    record = Record(Store.open(str(tmp_path / "a")), RUN_ID)
    folder = str(record.attempt(1).folder)
    old = {"target": "local", "run_id": RUN_ID, "attempt": 1, "folder": folder, "settings": {}}
    document = AttemptDocument(RUN_ID, 1, target="local", handle=old)
    handle = handle_of(record.attempt(1), document)
    assert (handle.store, handle.to_json()) == ("", old)
    attempt_in(tmp_path / "a")
    assert handle.owns("", folder)
    assert not handle.owns("", str(attempt_in(tmp_path / "b")))
    assert not handle.owns("", "") and not handle.owns("a" * 32, folder)
