from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from shelf import Shelf, log, write

from pulumi_training.client import download as module
from pulumi_training.client import ranges
from pulumi_training.client.download import DownloadFailed, Wanted, download, wanted
from pulumi_training.record.attempt import Attempt
from pulumi_training.record.store import Store
from pulumi_training.spec.errors import TransientError

BIG = bytes(range(256)) * 12_000


@pytest.fixture(params=["folder", "memory"])
def attempt(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Attempt]:
    url = str(tmp_path / "store") if request.param == "folder" else f"memory://{uuid.uuid4().hex}/runs"
    made = Shelf(Store.open(url)).finished("fit-0000000000")
    write(made, "outputs/model.bin", BIG)
    write(made, "outputs/charts/a.svg", b"<svg/>")
    log(made, 0, b"hello\n")
    made.write_manifest()
    made.sync_all()
    yield made
    made.store.delete("")


def test_outputs_arrive_whole_and_verified(attempt: Attempt, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    report = download(
        attempt, wanted(attempt, logs=True), tmp_path / "to", lambda *numbers: seen.append(numbers)
    )
    assert (tmp_path / "to/outputs/model.bin").read_bytes() == BIG
    assert (tmp_path / "to/outputs/charts/a.svg").read_bytes() == b"<svg/>"
    assert (tmp_path / "to/logs/std/rank-0.log").read_bytes() == b"hello\n"
    assert (report.files, report.kept, report.verified) == (3, 0, 2)
    assert seen[-1] == (report.bytes, report.bytes)


def test_a_second_download_brings_nothing(attempt: Attempt, tmp_path: Path) -> None:
    download(attempt, wanted(attempt), tmp_path)
    before = (tmp_path / "outputs/model.bin").stat().st_ino
    assert download(attempt, wanted(attempt), tmp_path).kept == 2
    assert (tmp_path / "outputs/model.bin").stat().st_ino == before


def test_a_damaged_copy_is_brought_again(attempt: Attempt, tmp_path: Path) -> None:
    write_to(tmp_path / "outputs/model.bin", BIG[:-1] + b"!")
    assert download(attempt, wanted(attempt), tmp_path).kept == 0
    assert (tmp_path / "outputs/model.bin").read_bytes() == BIG


def test_an_interrupted_download_goes_on(
    attempt: Attempt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_to(tmp_path / "outputs/model.bin.part", BIG[:2_000_000])
    starts = []
    read = module._read

    def spy(where: Attempt, file: Wanted, start: int, count: int) -> bytes:
        starts.append((file.path, start))
        return read(where, file, start, count)

    monkeypatch.setattr(module, "_read", spy)
    download(attempt, wanted(attempt, prefix="model"), tmp_path)
    assert starts[0] == ("outputs/model.bin", 2_000_000)
    assert (tmp_path / "outputs/model.bin").read_bytes() == BIG
    assert not (tmp_path / "outputs/model.bin.part").exists()


@pytest.mark.parametrize("part", [b"something else", BIG + b"longer"])
def test_a_part_of_something_else_does_no_harm(attempt: Attempt, tmp_path: Path, part: bytes) -> None:
    write_to(tmp_path / "outputs/model.bin.part", part)
    seen: list[int] = []
    download(attempt, wanted(attempt, prefix="model"), tmp_path, lambda done, _: seen.append(done))
    assert (tmp_path / "outputs/model.bin").read_bytes() == BIG
    assert seen[-1] == len(BIG)


def test_outputs_changed_after_the_end_are_refused(attempt: Attempt, tmp_path: Path) -> None:
    attempt.store.write(f"{attempt.prefix}/outputs/model.bin", b"?" * len(BIG))
    with pytest.raises(DownloadFailed, match=r"outputs/model\.bin .* not what the manifest says"):
        download(attempt, wanted(attempt), tmp_path)
    assert not list(tmp_path.glob("outputs/model.bin*"))


def test_a_file_that_is_gone_is_named(attempt: Attempt, tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed, match=r"outputs/gone is not in"):
        download(attempt, [Wanted("outputs/gone", 1, "00")], tmp_path)


@pytest.mark.parametrize("path", ["../evil", "/etc/evil", "outputs/../../evil"])
def test_a_record_cannot_write_outside(attempt: Attempt, tmp_path: Path, path: str) -> None:
    with pytest.raises(DownloadFailed, match="leads out"):
        download(attempt, [Wanted(path, 1)], tmp_path / "to")
    assert not (tmp_path / "to").exists()


def test_a_prefix_chooses(attempt: Attempt) -> None:
    def paths(**how: object) -> list[str]:
        return [file.path for file in wanted(attempt, **how)]  # type: ignore[arg-type]

    assert paths(prefix="charts/") == ["outputs/charts/a.svg"]
    assert paths(prefix="outputs/mod") == ["outputs/model.bin"]
    assert paths(prefix="logs/") == ["logs/std/rank-0.log"]
    assert paths(prefix="charts", logs=True) == ["logs/std/rank-0.log", "outputs/charts/a.svg"]
    assert paths(prefix="nothing") == []


def test_a_store_that_stutters_is_asked_again(
    attempt: Attempt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_pause", lambda _: None)
    read, failures = attempt.store.read, iter((True, True, False))

    def stutter(key: str, start: int = 0, length: int | None = None, **more: bool) -> bytes:
        if next(failures, False):
            raise TransientError("busy")
        return read(key, start, length, **more)

    monkeypatch.setattr(attempt.store, "read", stutter)
    download(attempt, [Wanted("outputs/charts/a.svg", 6)], tmp_path)
    assert (tmp_path / "outputs/charts/a.svg").read_bytes() == b"<svg/>"


@pytest.mark.parametrize("size", [0, 1, ranges.FIRST, ranges.FIRST + 1])
def test_a_large_file_comes_in_ranges_in_order(size: int) -> None:
    data, asked = bytes(range(251)) * (size // 251 + 1), []

    def read(start: int, count: int) -> bytes:
        asked.append((start, count))
        return data[
            start : min(start + min(count, 3 << 20), size)
        ]  # a store may answer less than it was asked

    with ThreadPoolExecutor(ranges.AT_ONCE) as pool:
        pieces = list(ranges.in_order(read, 0, size, pool, 3))
    assert b"".join(pieces) == data[:size]
    assert len(pieces) == -(-size // ranges.FIRST)


def test_ranges_end_where_the_file_does() -> None:
    with ThreadPoolExecutor(1) as pool:
        assert list(ranges.in_order(lambda start, count: b"abc"[start:], 0, 5 * ranges.FIRST, pool, 2)) == [
            b"abc"
        ]


def test_many_small_files_come_together_and_are_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Shelf(Store.open(f"memory://{uuid.uuid4().hex}/runs")).finished("fit-0000000000")
    for number in range(100):
        write(made, f"outputs/{number}.bin", b"%d" % number)
    made.write_manifest()
    made.sync_all()
    files = wanted(made)
    monkeypatch.setattr(made.store, "read", lambda *_, **__: pytest.fail("one by one"))
    write_to(tmp_path / "outputs/7.bin", b"7")
    seen: list[tuple[int, int]] = []
    report = download(made, files, tmp_path, lambda *numbers: seen.append(numbers))
    assert (report.files, report.kept, report.verified) == (100, 1, 100)
    assert seen[-1] == (190, 190)
    assert {p.name: p.read_bytes() for p in (tmp_path / "outputs").iterdir()} == {
        f"{number}.bin": b"%d" % number for number in range(100)
    }
    monkeypatch.undo()
    monkeypatch.setattr(module, "_pause", lambda _: None)
    made.store.write(f"{made.prefix}/outputs/9.bin", b"!")
    with pytest.raises(DownloadFailed, match=r"outputs/9.bin .* is not what the manifest says"):
        download(made, files, tmp_path / "other")
    assert not (tmp_path / "other/outputs/9.bin").exists()
    made.store.delete("")


def test_a_place_that_cannot_be_written_is_named(attempt: Attempt, tmp_path: Path) -> None:
    write_to(tmp_path / "outputs", b"a file")
    with pytest.raises(DownloadFailed, match=r"outputs.* cannot be written"):
        download(attempt, wanted(attempt), tmp_path)


def write_to(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
