"""The stat cache: fast when nothing changed, never wrong, never in the way."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from pulumi_training.identity import hashing, stat_cache, tree
from pulumi_training.identity.stat_cache import COARSE_SLACK_NS, Snapshot, StatCache, known, stamps
from pulumi_training.identity.tree import read_tree

OLD = 1_600_000_000


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files opened by scans."""
    seen: list[str] = []

    def count(files: list[tuple[str, int]]) -> list[hashing.Digested]:
        seen.extend(Path(path).name for path, _ in files)
        return hashing.digest_files(files)

    monkeypatch.setattr(tree, "digest_files", count)
    return seen


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files just written count as old enough to be believed."""
    monkeypatch.setattr(stat_cache, "FINE_SLACK_NS", -(10**12))
    monkeypatch.setattr(stat_cache, "COARSE_SLACK_NS", -(10**12))


def test_an_unchanged_file_is_not_read_again(
    write, cache: StatCache, reads: list[str], settled: None
) -> None:
    root = write({"a.py": "1", "b.py": "2"})
    first = read_tree(root, cache=cache)
    assert sorted(reads) == ["a.py", "b.py"]
    reads.clear()
    assert read_tree(root, cache=cache) == first
    assert reads == []
    write({"a.py": "3"})
    assert read_tree(root, cache=cache).digest != first.digest
    assert reads == ["a.py"]


def test_a_young_file_is_read_again_since_its_stamp_proves_nothing(
    write, cache: StatCache, reads: list[str]
) -> None:
    root = write({"a.py": "1"})
    os.utime(root / "a.py", ns=(1, time.time_ns()))
    read_tree(root, cache=cache)
    reads.clear()
    read_tree(root, cache=cache)
    assert reads == ["a.py"]


def test_a_change_with_the_same_size_and_a_restored_mtime_is_seen(
    write, cache: StatCache, settled: None
) -> None:
    root = write({"a.py": "1"})
    os.utime(root / "a.py", (OLD, OLD))
    before = read_tree(root, cache=cache)
    time.sleep(0.02)  # the kernel's clock for ctime ticks every 4 to 10 ms
    write({"a.py": "2"})
    os.utime(root / "a.py", (OLD, OLD))
    assert read_tree(root, cache=cache).digest != before.digest


def test_a_file_put_in_the_place_of_another_is_seen(write, cache: StatCache, settled: None) -> None:
    root = write({"a.py": "1"})
    before = read_tree(root, cache=cache)
    (root / "new").write_text("2")
    (root / "new").replace(root / "a.py")
    assert read_tree(root, cache=cache).digest != before.digest


def test_rapid_edits_of_one_size_are_never_missed(write, cache: StatCache) -> None:
    root = write({"a.py": "00"})
    digests = set()
    for number in range(60):
        write({"a.py": f"{number:02}"})
        digests.add(read_tree(root, cache=cache).digest)
    assert len(digests) == 60


def test_stamps_in_whole_seconds_wait_longer(tmp_path: Path) -> None:
    seen = (1, OLD * 10**9, OLD * 10**9, 5, 0o100644)
    assert known(seen, b"", OLD * 10**9 + COARSE_SLACK_NS - 1)[0] == -1
    assert known(seen, b"", OLD * 10**9 + COARSE_SLACK_NS)[:5] == seen
    fine = (1, OLD * 10**9 + 1, OLD * 10**9, 5, 0o100644)
    assert known(fine, b"", OLD * 10**9 + 10**9)[:5] == fine


def test_the_executable_bit_is_never_remembered_wrongly(write, cache: StatCache, settled: None) -> None:
    root = write({"a.sh": "1"})
    assert not read_tree(root, cache=cache).entries[0].executable
    (root / "a.sh").chmod(0o755)
    assert read_tree(root, cache=cache).entries[0].executable


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "other version", "not ours"])
def test_a_damaged_cache_is_ignored_and_built_again(
    write, cache: StatCache, settled: None, reads: list[str], damage: str
) -> None:
    root = write({"a.py": "1", "d/b.py": "2"})
    expected = read_tree(root, cache=cache)
    path = cache.path(str(root.resolve()))
    whole = path.read_bytes()
    damaged = {
        "empty": b"",
        "cut": whole[:-7],
        "flipped": whole[:60] + bytes([whole[60] ^ 1]) + whole[61:],
        "other version": whole.replace(b"cache 2", b"cache 9"),
        "not ours": b"\x80\x04K\x01.",
    }[damage]
    path.write_bytes(damaged)
    reads.clear()
    assert read_tree(root, cache=cache) == expected
    assert sorted(reads) == ["a.py", "b.py"]
    assert path.read_bytes() == whole


def test_a_cache_that_cannot_be_written_stops_nothing(write, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert read_tree(write({"a.py": ""}), cache=StatCache(tmp_path / "file" / "below")).entries


def test_an_unchanged_tree_does_not_write_the_cache(write, cache: StatCache, settled: None) -> None:
    root = write({"a.py": "1"})
    read_tree(root, cache=cache)
    path = cache.path(str(root.resolve()))
    inode = path.stat().st_ino
    read_tree(root, cache=cache)
    assert path.stat().st_ino == inode
    (root / "a.py").unlink()
    read_tree(root, cache=cache)
    assert cache.load(str(root.resolve())) == Snapshot(cache.load(str(root.resolve())).rules_digest)


def test_a_snapshot_comes_back_as_it_was(tmp_path: Path) -> None:
    seen = stamps(tmp_path.stat())
    snapshot = Snapshot(
        "ab" * 32,
        {"a b.py": (*seen, bytes(32)), "caf\udce9": (-1, 0, 0, 0, 0o100755, b"\xff" * 32)},
        {"x.log", "y"},
        {"d/"},
    )
    cache = StatCache(tmp_path)
    cache.save("/somewhere", snapshot)
    assert cache.load("/somewhere") == snapshot
    assert cache.load("/elsewhere") is None


def test_writers_side_by_side_leave_a_whole_cache(tmp_path: Path) -> None:
    cache = StatCache(tmp_path)
    snapshots = [
        Snapshot("00" * 32, {f"{w}-{n}": (w, n, 0, 0, 0, bytes(32)) for n in range(200)}) for w in range(4)
    ]

    def write_often(snapshot: Snapshot) -> None:
        for _ in range(20):
            cache.save("/somewhere", snapshot)
            assert cache.load("/somewhere") in snapshots

    failures: list[BaseException] = []
    threads = [threading.Thread(target=_guard, args=(write_often, s, failures)) for s in snapshots]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(list(tmp_path.iterdir())) == 1


def _guard(work, snapshot: Snapshot, failures: list[BaseException]) -> None:
    try:
        work(snapshot)
    except BaseException as error:
        failures.append(error)


def test_the_default_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TRAINING_CACHE_DIR", str(tmp_path))
    assert StatCache.default().folder == tmp_path / "trees"
    monkeypatch.delenv("TRAINING_CACHE_DIR")
    assert StatCache.default().folder.name == "trees"
