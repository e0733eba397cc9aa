"""The record and datastores on an S3 server, through the real driver."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from pulumi_training.data.fingerprint import fingerprint
from pulumi_training.data.mount import cached_copy
from pulumi_training.data.references import require, resolve
from pulumi_training.data.transfer import download, upload
from pulumi_training.record import logs, sources
from pulumi_training.record.documents import AttemptDocument, RunDocument
from pulumi_training.record.lock import DriverLock
from pulumi_training.record.record import Record, runs
from pulumi_training.record.retention import purge
from pulumi_training.record.store import NotFound, Store, StoreError
from pulumi_training.spec.errors import SpecError
from pulumi_training.spec.outcome import Outcome, Reason, Status

pytestmark = pytest.mark.slow


def test_a_run_lives_in_s3(bucket: str, tmp_path: Path) -> None:
    store = Store.open(f"{bucket}/team/")
    record = Record(store, "fit-1")
    record.write_run(RunDocument("fit-1", name="fit"))
    attempt = record.start_attempt(AttemptDocument("fit-1", 1))
    assert attempt and record.start_attempt(AttemptDocument("fit-1", 1)) is None
    attempt.event("submitted", n=1)
    attempt.update(status=Status.RUNNING)
    attempt.event("running", n=2)
    (attempt.folder / "logs/std/rank-0.log").write_bytes(b"one\ntwo\n")
    (attempt.folder / "outputs/deep").mkdir()
    (attempt.folder / "outputs/deep/model").write_bytes(b"w" * 100_000)
    assert attempt.sync_logs().files == 1
    assert attempt.sync_all().files == 1 and attempt.sync_all().files == 0
    attempt.write_manifest()
    attempt.update(outcome=Outcome(Reason.COMPLETED))

    seen = Record(Store.open(f"{bucket}/team"), "fit-1").newest()
    assert seen and seen.document().status is Status.COMPLETED
    assert [event.data["n"] for event in seen.events()] == [1, 2]
    assert logs.tail(seen, 0, 1) == "two\n"
    manifest = seen.manifest()
    assert manifest and [entry.path for entry in manifest.entries] == ["deep/model"]
    store.download(f"{seen.prefix}/outputs/deep/model", tmp_path / "model")
    assert (tmp_path / "model").stat().st_size == 100_000
    assert [summary.run.name for summary in runs(store)] == ["fit"]
    assert store.read(f"{seen.prefix}/logs/std/rank-0.log", 99) == b""
    purge(record)
    assert list(store.list()) == [] and record.attempts() == []
    with pytest.raises(NotFound):
        record.run_document()


def test_one_of_many_creates(bucket: str) -> None:
    winners: list[int] = []
    store = Store.open(bucket)
    assert store.create("runs/first", b"")

    def contend(number: int) -> None:
        if Store.open(bucket).create("runs/a/attempts/1/attempt.json", str(number).encode()):
            winners.append(number)

    threads = [threading.Thread(target=contend, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(winners) == 1
    assert store.read("runs/a/attempts/1/attempt.json") == str(winners[0]).encode()
    assert len(list(store.list("runs"))) == 2, "the probes are gone"


def test_a_lease_keeps_the_second_driver_away(bucket: str) -> None:
    record = Record(Store.open(bucket), "fit-1")
    first, second = DriverLock(record, beat_seconds=0), DriverLock(record, beat_seconds=0)
    assert first.acquire() and not second.acquire()
    assert first.beat()
    first.release()
    assert second.acquire()
    second.release()


def test_a_source_tree_goes_there_and_back(bucket: str, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "train.py").write_text("print(1)")
    store = Store.open(bucket)
    assert sources.keep(store, tmp_path / "tree", "ab" * 32)
    sources.fetch(store, "ab" * 32, tmp_path / "back")
    assert (tmp_path / "back" / "train.py").read_text() == "print(1)"


def test_a_bucket_that_is_not_there_is_said(bucket: str) -> None:
    store = Store.open(f"{bucket}-none/x")
    with pytest.raises(StoreError, match="Make the bucket"):
        store.write("runs/a/run.json", b"{}")
    with pytest.raises(StoreError, match="Make the bucket"):
        store.create("runs/a/run.json", b"{}")


def test_data_goes_up_and_down(bucket: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "deep").mkdir(parents=True)
    (data / "a.csv").write_bytes(b"1,2\n" * 1000)
    (data / "deep" / "b.csv").write_bytes(b"3,4\n")
    url = f"{bucket}/digits"
    assert upload(data, url).files == 2
    assert upload(data, url).kept == 2, "MD5 of the ETag tells that it is there"
    before = fingerprint(url)
    assert download(url, tmp_path / "back").files == 2
    assert download(url, tmp_path / "back").kept == 2
    assert (tmp_path / "back" / "deep" / "b.csv").read_bytes() == b"3,4\n"
    copy = cached_copy(resolve(url))
    assert (copy / "a.csv").stat().st_mode & 0o222 == 0
    (data / "deep" / "b.csv").write_bytes(b"3,5\n")
    assert upload(data, url).files == 1
    assert fingerprint(url) != before
    assert cached_copy(resolve(url)) != copy
    with pytest.raises(SpecError, match="Did you mean digits"):
        require(f"{bucket}/digit")
