"""A script's link in the place of any file of its attempt, and a stranger's in the folder that is downloaded to."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from shelf import Shelf

from pulumi_training.client.board_mirror import Mirror
from pulumi_training.client.download import DownloadFailed, Wanted, download, download_one, not_kept, wanted
from pulumi_training.client.files import listing
from pulumi_training.client.find import Found
from pulumi_training.client.run_metrics import reported
from pulumi_training.client.view import view
from pulumi_training.driver.last_word import last_word
from pulumi_training.record import logs
from pulumi_training.record.attempt import Attempt
from pulumi_training.record.metrics import read_metrics
from pulumi_training.record.record import Record
from pulumi_training.record.store import Store, StoreError

TOKEN = b"somebody-elses-4711"
FACTS = b'{"rank": 0, "node": 0, "state": "exited", "loss": 4711, "host": "%s"}\n' % TOKEN


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "aside" / "secret"
    path.parent.mkdir()
    path.write_bytes(FACTS)
    return path


@pytest.fixture(params=["folder", "memory"])
def attempt(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Attempt]:
    url = str(tmp_path / "store") if request.param == "folder" else f"memory://{uuid.uuid4().hex}/runs"
    made = Shelf(Store.open(url)).finished("fit-0000000000")
    (made.folder / "outputs" / "model.bin").write_bytes(b"weights")
    (made.folder / "outputs" / "last").symlink_to("model.bin")
    (made.folder / "outputs" / "log").symlink_to("../logs/own.txt")
    (made.folder / "logs" / "own.txt").write_bytes(b"own")
    yield made
    made.store.delete("")


def everything(attempt: Attempt) -> bytes:
    """All bytes in the store."""
    return b"".join(attempt.store.read(stored.key) for stored in attempt.store.list(""))


def below(folder: Path) -> bytes:
    files = [Path(base, name) for base, _, names in os.walk(folder) for name in names]
    return b"".join(path.read_bytes() for path in files if path.is_file())


@pytest.mark.parametrize("target", ["{secret}", "{folder}", "/proc/self/environ", "nothing", "itself"])
def test_an_output_that_leads_out_is_in_no_store_and_no_download(
    attempt: Attempt, tmp_path: Path, secret: Path, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = attempt.folder / "outputs" / "itself"
    link.symlink_to(target.format(secret=secret, folder=secret.parent))

    manifest = attempt.write_manifest()
    attempt.sync_all()
    report = download(attempt, wanted(attempt, logs=True), tmp_path / "to")

    assert {entry.path: entry.size for entry in manifest.entries} == {"last": 7, "log": 3, "model.bin": 7}
    assert "is a link" in manifest.skipped["itself"] and "itself" in manifest.warning
    assert report.verified == 3
    assert (tmp_path / "to" / "outputs" / "last").read_bytes() == b"weights"
    assert TOKEN not in everything(attempt) and TOKEN not in below(tmp_path / "to")
    with pytest.raises(DownloadFailed):
        download_one(attempt, Wanted("outputs/itself", len(FACTS)), tmp_path / "one")


def test_facts_logs_and_metrics_are_not_what_a_link_leads_to(attempt: Attempt, secret: Path) -> None:
    names = ("logs/std/rank-0.log", "metrics/rank-0.jsonl", "ranks/0.json", "launch/links-0.json", "logs/x")
    for name in names:
        (attempt.folder / name).symlink_to(secret)
    os.mkfifo(attempt.folder / "ranks" / "1.json")
    os.mkfifo(attempt.folder / "logs" / "std" / "rank-1.log")
    os.mkfifo(attempt.folder / "metrics" / "rank-1.jsonl")
    attempt.write_manifest()
    attempt.sync_all()

    for rank in (0, 1):
        assert logs.read_log(attempt, rank) == (b"", 0)
        assert (logs.size(attempt, rank), logs.tail(attempt, rank)) == (0, "")
        assert read_metrics(attempt, rank).points == [] and reported(attempt, rank) == {}
    record = Record(attempt.store, attempt.run_id)
    seen = view(Found(record, record.run_document()))
    assert seen.ranks == ()
    assert {file.path for file in listing(attempt, "logs")} == {"logs/own.txt"}
    assert [attempt.read_file(name) for name in names] == [None] * len(names)
    assert TOKEN not in everything(attempt)


def test_a_folder_that_leads_out_gives_nothing(attempt: Attempt, tmp_path: Path, secret: Path) -> None:
    (attempt.folder / "logs" / "std").rmdir()
    (attempt.folder / "logs" / "std").symlink_to(secret.parent)
    (secret.parent / "rank-0.log").write_bytes(TOKEN)
    attempt.sync_all()

    assert logs.read_log(attempt, 0) == (b"", 0)
    assert download(attempt, wanted(attempt, prefix="logs/"), tmp_path / "to").files == 1
    assert TOKEN not in everything(attempt)


def test_the_boards_folder_leads_to_no_file_of_somebody_else(
    attempt: Attempt, tmp_path: Path, secret: Path
) -> None:
    own, planted = "logs/events.out.tfevents.1", "logs/events.out.tfevents.2"
    (attempt.folder / own).write_bytes(b"events")
    (attempt.folder / planted).symlink_to(secret)
    (attempt.folder / "logs" / "events.out.tfevents.3").symlink_to("events.out.tfevents.1")
    attempt.sync_all()

    Mirror(tmp_path / "board", Record(attempt.store, attempt.run_id)).turn()

    assert (tmp_path / "board" / "events.out.tfevents.1").read_bytes() == b"events"
    assert (tmp_path / "board" / "events.out.tfevents.3").read_bytes() == b"events"
    assert TOKEN not in below(tmp_path / "board")


def test_a_link_below_the_folder_to_download_to_is_not_gone_through(
    attempt: Attempt, tmp_path: Path, secret: Path
) -> None:
    attempt.write_manifest()
    attempt.sync_all()
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "outputs").symlink_to(secret.parent)

    with pytest.raises(DownloadFailed, match="outputs is a link"):
        download(attempt, wanted(attempt), tmp_path / "to")
    assert os.listdir(secret.parent) == ["secret"]


@pytest.mark.parametrize("name", ["model.bin", "model.bin.part"])
def test_a_link_in_the_place_of_a_download_is_replaced(
    attempt: Attempt, tmp_path: Path, secret: Path, name: str
) -> None:
    attempt.write_manifest()
    attempt.sync_all()
    secret.write_bytes(b"weights")  # the very content: it would be taken for the file
    place = tmp_path / "to" / "outputs"
    place.mkdir(parents=True)
    (place / name).symlink_to(secret)

    download(attempt, wanted(attempt), tmp_path / "to")

    assert not (place / "model.bin").is_symlink() and (place / "model.bin").read_bytes() == b"weights"
    assert secret.read_bytes() == b"weights" and not (place / "model.bin.part").exists()


def test_a_pipe_in_the_place_of_a_download_is_not_waited_for(attempt: Attempt, tmp_path: Path) -> None:
    attempt.write_manifest()
    attempt.sync_all()
    (tmp_path / "to" / "outputs").mkdir(parents=True)
    for name in ("model.bin", "last.part"):
        os.mkfifo(tmp_path / "to" / "outputs" / name)

    download(attempt, wanted(attempt), tmp_path / "to")

    assert (tmp_path / "to" / "outputs" / "model.bin").read_bytes() == b"weights"


def test_a_download_of_holes_has_holes(attempt: Attempt, tmp_path: Path) -> None:
    with (attempt.folder / "outputs" / "sparse").open("wb") as stream:
        stream.truncate(64 << 20)
        stream.write(b"begin")
    attempt.write_manifest()
    attempt.sync_all()

    download(attempt, wanted(attempt), tmp_path / "to")

    state = (tmp_path / "to" / "outputs" / "sparse").stat()
    assert state.st_size == 64 << 20 and state.st_blocks * 512 < 1 << 20


def test_the_copy_of_the_source_is_not_brought_to_a_store(attempt: Attempt) -> None:
    data = attempt.folder / "code" / ".training" / "data" / "digits"
    data.mkdir(parents=True)
    (data / "x").write_bytes(TOKEN)
    attempt.sync_logs()
    attempt.sync_all()

    if not attempt.store.is_local:
        assert TOKEN not in everything(attempt)


def test_a_record_of_before_with_a_link_out_gives_all_the_rest(
    shelf: Shelf, tmp_path: Path, secret: Path
) -> None:
    made = shelf.finished("fit-0000000001")
    (made.folder / "outputs" / "model.bin").write_bytes(b"weights")
    (made.folder / "outputs" / "out").write_bytes(FACTS)
    made.write_manifest()
    (made.folder / "outputs" / "out").unlink()
    (made.folder / "outputs" / "out").symlink_to(secret)  # as it was digested before

    assert download(made, wanted(made), tmp_path / "to").files == 1
    assert not_kept(made) == {"out": str(secret)}
    assert TOKEN not in below(tmp_path / "to")


def test_the_supervisors_last_word_is_its_own(attempt: Attempt, secret: Path) -> None:
    log = attempt.folder / "launch" / "supervisor.log"
    log.symlink_to(secret)
    record = Record(attempt.store, attempt.run_id)
    assert last_word(record, 1) == ""
    log.unlink()
    os.mkfifo(log)
    assert last_word(record, 1) == ""
    log.unlink()
    log.write_text("it could not go on\n")
    assert last_word(record, 1).startswith("it could not go on")


def test_a_pipe_among_the_events_is_not_waited_for(shelf: Shelf) -> None:
    made = shelf.finished("fit-0000000002")
    made.event("early", "word")
    segment = sorted((made.folder / "events").glob("*.jsonl"))[-1]
    segment.unlink()
    os.mkfifo(segment)

    with pytest.raises(StoreError, match="no plain file"):
        made.event("late", "word")
    assert list(made.events()) == []
