"""The record and datastores on servers of S3, Azure Blob and Google Cloud Storage, through the real drivers."""

from __future__ import annotations

import filecmp
import os
import re
import threading
from base64 import b64encode
from pathlib import Path

import fsspec
import pytest

from pulumi_training.data.fingerprint import fingerprint
from pulumi_training.data.mount import cached_copy
from pulumi_training.data.references import require, resolve
from pulumi_training.data.transfer import download, upload
from pulumi_training.record import logs, sources
from pulumi_training.record.documents import AttemptDocument, RunDocument
from pulumi_training.record.lock import DriverLock
from pulumi_training.record.record import Record
from pulumi_training.record.retention import purge
from pulumi_training.record.runs import runs
from pulumi_training.record.store import NotFound, Store, StoreError
from pulumi_training.record.store_identity import ensure_identity, identity_of
from pulumi_training.spec.errors import PermanentError, SpecError
from pulumi_training.spec.outcome import Outcome, Reason, Status

pytestmark = pytest.mark.slow


def test_a_run_lives_in_a_store(bucket: str, tmp_path: Path) -> None:
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
    assert [entry.key for entry in store.list()] == ["store.json"] and record.attempts() == []
    with pytest.raises(NotFound):
        record.run_document()


def test_one_of_many_creates(bucket: str) -> None:
    winners: list[int] = []
    store = Store.open(bucket)
    assert store.create("runs/first", b"")

    def contend(number: int) -> None:
        if Store.open(bucket).create("runs/a/attempts/1/attempt.json", str(number).encode()):
            winners.append(number)

    threads = [threading.Thread(target=contend, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(winners) == 1
    assert store.read("runs/a/attempts/1/attempt.json") == str(winners[0]).encode()
    assert len(list(store.list("runs"))) == 2, "the probes are gone"


def test_all_who_use_a_store_first_at_once_give_it_one_identity(bucket: str) -> None:
    assert identity_of(Store.open(bucket)) is None
    start, found = threading.Barrier(4), []

    def use() -> None:
        store = Store.open(bucket)
        start.wait()
        found.append(ensure_identity(store))

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4 and set(found) == {identity_of(Store.open(bucket))}


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


def test_a_bucket_that_is_not_there_is_said(bucket: str, tmp_path: Path) -> None:
    store = Store.open(f"{bucket}-none/x")
    with pytest.raises(StoreError, match="Make the bucket or container"):
        store.write("runs/a/run.json", b"{}")
    with pytest.raises(StoreError, match="Make the bucket or container"):
        store.create("runs/a/run.json", b"{}")
    assert list(store.list()) == [] and store.children("runs") == () and not store.exists("runs/a/run.json")
    with pytest.raises(NotFound):
        store.read("runs/a/run.json")
    store.delete("runs")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.csv").write_bytes(b"1,2")
    with pytest.raises(PermanentError, match="is not there") as caught:
        upload(tmp_path / "data", f"{bucket}-none/x")
    assert caught.value.reason is Reason.COLLECT_FAILED and "data stays" in str(caught.value)


@pytest.mark.parametrize(
    ("bucket", "name"),
    [
        ("s3", "AWS_ACCESS_KEY_ID"),
        ("s3", "AWS_SECRET_ACCESS_KEY"),
        ("azure", "AZURE_STORAGE_CONNECTION_STRING"),
    ],
    indirect=["bucket"],
)
def test_refused_credentials_are_said(bucket: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the three servers fake-gcs-server alone does not look at keys."""
    Store.open(bucket).write("runs/a/run.json", b"{}")
    other = re.sub("(?<=AccountKey=)[^;]+", b64encode(b"wrong" * 8).decode(), os.environ[name])
    monkeypatch.setenv(name, "wrong" if other == os.environ[name] else other)
    fsspec.get_filesystem_class(bucket.partition(":")[0]).clear_instance_cache()
    store = Store.open(bucket)
    for ask in (
        lambda: store.read("runs/a/run.json"),
        lambda: store.write("runs/a/run.json", b"{}"),
        lambda: store.create("runs/b/run.json", b"{}"),
        lambda: list(store.list()),
        lambda: store.exists("runs/a/run.json"),
    ):
        with pytest.raises(StoreError, match="Check the credentials and rights"):
            ask()
    with pytest.raises(PermanentError, match="refused"):
        fingerprint(f"{bucket}/runs")


def test_keys_as_people_write_them(bucket: str, tmp_path: Path) -> None:
    store = Store.open(f"{bucket}/a team")
    names = (
        "größe 1.txt",
        "a+b=c&d.txt",
        "100%.txt",
        "50%25.txt",
        "what#1.txt",
        "日本/語.txt",
        "a'b(c)~.txt",
    )
    (tmp_path / "up").write_bytes(b"up")
    for number, name in enumerate(names):
        assert store.create(f"k/{name}", str(number).encode())
        assert not store.create(f"k/{name}", b"again")
        store.upload(tmp_path / "up", f"u/{name}")
    assert {stored.key for stored in store.list("k")} == {f"k/{name}" for name in names}
    assert store.children("k") == tuple(sorted({name.split("/")[0] for name in names}))
    for number, name in enumerate(names):
        assert store.exists(f"k/{name}") and store.read(f"k/{name}") == str(number).encode()
        store.download(f"u/{name}", tmp_path / "down")
        assert (tmp_path / "down").read_bytes() == b"up"
    for name in names:
        store.delete(f"k/{name}")
        assert not store.exists(f"k/{name}")
    assert list(store.list("k")) == [] and len(list(store.list("u"))) == len(names)


def test_ranges_folders_and_what_another_writes(bucket: str) -> None:
    mine, other = Store.open(bucket), Store.open(bucket)
    mine.write("k/a", b"0123456789")
    assert mine.read("k/a", 3, 4) == b"3456" and mine.read("k/a", 8, 100) == b"89"
    assert mine.read("k/a", 10) == b"" and mine.read("k/a", 11, 5) == b"" and mine.read("k/a", 9) == b"9"
    mine.write("k/empty", b"")
    assert [mine.read("k/a", at, 5, is_there=True) for at in (4, 9, 10, 11)] == [b"45678", b"9", b"", b""]
    assert mine.read_small([("k/a", 10), ("k/none", 3), ("k/a", 2)]) == [b"0123456789", None, b"01"]
    assert mine.read("k/empty") == b"" and mine.size("k/empty") == 0 and mine.exists("k/empty")
    assert not mine.exists("k") and not mine.exists("k/none")
    assert mine.children("k") == ("a", "empty") and mine.children() == ("k",)
    other.write("k/b/c", b"1")
    other.write("k/a", b"new")
    assert mine.children("k") == ("a", "b", "empty"), "listings are not remembered"
    assert mine.size("k/a") == 3 and mine.read("k/a") == b"new"
    other.write("kk", b"beside")
    mine.delete("k")
    assert [stored.key for stored in other.list()] == ["kk"]
    mine.delete("k")
    mine.delete("none/at/all")
    with pytest.raises(NotFound):
        other.size("k/a")


def test_a_large_object_goes_in_blocks(bucket: str, tmp_path: Path) -> None:
    """More than each driver sends at once: 100 MiB is the largest of them."""
    block = os.urandom(1 << 20)
    with (tmp_path / "large").open("wb") as stream:
        for number in range(103):
            stream.write(number.to_bytes(4, "big") + block)
    size = (tmp_path / "large").stat().st_size
    store = Store.open(bucket)
    store.upload(tmp_path / "large", "large")
    assert store.size("large") == size
    at = 70 * (len(block) + 4)
    assert store.read("large", at, 4) == (70).to_bytes(4, "big")
    store.download("large", tmp_path / "back")
    assert filecmp.cmp(tmp_path / "large", tmp_path / "back", shallow=False)
    assert download(f"{bucket}/large", tmp_path / "data").bytes == size
    assert filecmp.cmp(tmp_path / "large", tmp_path / "data", shallow=False)
    assert download(f"{bucket}/large", tmp_path / "data").kept == 1


def test_data_goes_up_and_down(bucket: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "deep").mkdir(parents=True)
    (data / "a.csv").write_bytes(b"1,2\n" * 1000)
    (data / "deep" / "b.csv").write_bytes(b"3,4\n")
    url = f"{bucket}/digits"
    assert upload(data, url).files == 2
    assert upload(data, url).kept == 2, "the MD5 that the service tells says that it is there"
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
