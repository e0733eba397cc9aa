from __future__ import annotations

import os
import time

from pulumi_training.environment import cache


def made(name, used, *, is_complete=True):
    prefix = cache.root() / name
    (prefix / "bin").mkdir(parents=True)
    (prefix / "bin" / "python").touch()
    (prefix / "bin" / "tool").write_text("x" * 100)
    if is_complete:
        cache.complete(prefix, cache.CachedEnvironment(name, used, "3.11", ("numpy==1",)))
        os.utime(prefix / cache.MARKER, (used, used))
    return prefix


def names():
    return [entry.prefix.name for entry in cache.entries()]


def test_entries_come_by_last_use_with_their_size():
    now = time.time()
    made("old", now - 500)
    made("new", now - 5)
    entries = cache.entries()
    assert [e.prefix.name for e in entries] == ["new", "old"]
    assert entries[0].size > 100
    assert entries[0].environment is not None
    assert entries[0].environment.packages == ("numpy==1",)


def test_no_cache_is_an_empty_list():
    assert cache.entries() == []
    assert cache.prune() == []


def test_prune_keeps_the_most_recently_used():
    now = time.time()
    for index in range(5):
        made(f"e{index}", now - 10_000 + index)
    removed = cache.prune(keep=2)
    assert sorted(p.name for p in removed) == ["e0", "e1", "e2"]
    assert names() == ["e4", "e3"]


def test_a_touch_saves_from_prune():
    now = time.time()
    first = made("first", now - 9000)
    made("second", now - 8000)
    cache.touch(first)
    assert [p.name for p in cache.prune(keep=1)] == ["second"]


def test_what_was_used_lately_stays():
    now = time.time()
    for index in range(3):
        made(f"e{index}", now - 60)
    assert cache.prune(keep=1) == []


def test_what_a_run_is_in_stays():
    now = time.time()
    used = made("used", now - 9000)
    made("idle", now - 8000)
    with cache.using(used):
        assert [p.name for p in cache.prune(keep=0)] == ["idle"]
    assert [p.name for p in cache.prune(keep=0)] == ["used"]


def test_two_runs_may_be_in_one_environment():
    prefix = made("shared", time.time() - 9000)
    with cache.using(prefix), cache.using(prefix):
        assert cache.prune(keep=0) == []


def test_half_made_ones_go_unless_they_are_being_built():
    half = made("half", 0, is_complete=False)
    with cache.building(half):
        assert cache.prune() == []
    assert cache.prune() == [half]
    assert names() == []


def test_a_torn_marker_is_no_marker():
    prefix = made("torn", time.time())
    (prefix / cache.MARKER).write_text('{"digest": "to')
    assert cache.read(prefix) is None


def test_a_marker_of_a_newer_version_is_read():
    prefix = made("newer", time.time())
    text = (prefix / cache.MARKER).read_text()
    (prefix / cache.MARKER).write_text(text.replace("{", '{"later": 1, ', 1))
    kept = cache.read(prefix)
    assert kept is not None
    assert kept.digest == "newer"


def test_using_a_folder_outside_the_cache_does_nothing(tmp_path):
    with cache.using(tmp_path):
        assert not (tmp_path.parent / "locks").exists()
