"""Logs and metrics, as they are read while a run writes them; and the list of workspaces."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from pulumi_training.record import logs, metrics, workspaces
from pulumi_training.record.attempt import Attempt
from pulumi_training.record.documents import AttemptDocument
from pulumi_training.record.record import Record
from pulumi_training.record.store import Store
from pulumi_training.spec.outcome import Status


@pytest.fixture
def attempt(folder_store: Store) -> Attempt:
    made = Record(folder_store, "fit-1").start_attempt(AttemptDocument("fit-1", 1, status=Status.RUNNING))
    assert made
    return made


def say(attempt: Attempt, rank: int, data: bytes) -> None:
    with (attempt.folder / f"logs/std/rank-{rank}.log").open("ab") as stream:
        stream.write(data)


def report(attempt: Attempt, data: bytes, rank: int = 0) -> None:
    with (attempt.folder / f"metrics/rank-{rank}.jsonl").open("ab") as stream:
        stream.write(data)


def test_a_log_is_read_by_bytes(attempt: Attempt) -> None:
    assert logs.read_log(attempt, 0) == (b"", 0)
    say(attempt, 0, "grün\n".encode())
    assert logs.read_log(attempt, 0, 0, limit=3) == ("grü".encode()[:3], 3)
    assert logs.read_log(attempt, 0, 3) == ("grün\n".encode()[3:], 6)
    assert logs.read_log(attempt, 0, 6) == (b"", 6)
    assert logs.ranks(attempt) == [0]


def test_the_tail_is_read_from_the_end(attempt: Attempt, monkeypatch: pytest.MonkeyPatch) -> None:
    assert logs.tail(attempt, 0) == ""
    say(attempt, 0, b"".join(b"line %d\n" % n for n in range(100_000)))
    read: list[int] = []
    real = logs.read_log

    def counting(attempt: Attempt, rank: int, start: int = 0, *, limit: int) -> tuple[bytes, int]:
        read.append(limit)
        return real(attempt, rank, start, limit=limit)

    monkeypatch.setattr(logs, "read_log", counting)
    assert logs.tail(attempt, 0, 2) == "line 99998\nline 99999\n"
    assert sum(read) <= 4096
    say(attempt, 1, b"no end")
    assert logs.tail(attempt, 1, 5) == "no end"
    say(attempt, 2, b"x" * 10_000)
    assert len(logs.tail(attempt, 2, 5)) == 4096
    say(attempt, 3, b"a\nb\nc\n")
    assert logs.tail(attempt, 3, 0) == ""


def test_lines_of_ranks_come_once_and_whole(attempt: Attempt) -> None:
    cursors: dict[int, int] = {}
    say(attempt, 0, b"a\nb\npart")
    say(attempt, 1, b"c\r\n")
    assert [(line.rank, line.text) for line in logs.new_lines(attempt, cursors)] == [
        (0, "a"),
        (0, "b"),
        (1, "c"),
    ]
    assert list(logs.new_lines(attempt, cursors)) == []
    say(attempt, 0, b"ial\n\xff\n")
    assert [line.text for line in logs.new_lines(attempt, cursors)] == ["partial", "\ufffd"]
    say(attempt, 0, b"last")
    assert [line.text for line in logs.new_lines(attempt, cursors, ended=True)] == ["last"]
    assert cursors == {0: 18, 1: 3}


def test_a_consumer_that_stops_goes_on_after_the_last_line(attempt: Attempt) -> None:
    cursors: dict[int, int] = {}
    say(attempt, 0, b"a\nb\nc\n")
    lines = logs.new_lines(attempt, cursors)
    assert next(lines).text == "a"
    assert [line.text for line in logs.new_lines(attempt, cursors)] == ["b", "c"]


def test_a_line_without_end_does_not_hold_up(attempt: Attempt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "CHUNK", 8)
    monkeypatch.setattr(logs.read_log, "__kwdefaults__", {"limit": 8})
    say(attempt, 0, b"x" * 20)
    cursors: dict[int, int] = {}
    assert [line.text for line in logs.new_lines(attempt, cursors)] == ["x" * 8, "x" * 8]


def test_lines_of_several_ranks_name_the_rank(attempt: Attempt) -> None:
    say(attempt, 0, b"first\nsecond\n")
    lines = list(logs.new_lines(attempt, {}))
    assert list(logs.interleave(lines, world_size=1)) == ["first", "second"]
    assert list(logs.interleave(lines, world_size=12)) == ["[ 0] first", "[ 0] second"]


def test_a_remote_log_is_read_from_the_store() -> None:
    attempt = Record(Store.open("memory://remote-log/x"), "fit-1").attempt(1)
    attempt.store.write(f"{attempt.prefix}/logs/std/rank-3.log", b"one\ntwo\n")
    assert logs.ranks(attempt) == [3]
    assert logs.tail(attempt, 3, 1) == "two\n"
    assert logs.read_log(attempt, 3, 4) == (b"two\n", 8)
    assert logs.read_log(attempt, 3, 8) == (b"", 8)


def test_metrics_are_read_as_they_come(attempt: Attempt) -> None:
    reader = metrics.MetricsReader(attempt)
    assert reader.read_new() == [] and reader.progress() is None
    report(attempt, b'{"step": 1, "total": 10, "loss": 0.5}\n{"step": 2, "loss"')
    assert len(reader.read_new()) == 1
    report(attempt, b': 0.4, "accuracy": 0.9}\n')
    assert len(reader.read_new()) == 1 and reader.read_new() == []
    assert reader.last_values() == {"loss": 0.4, "accuracy": 0.9}
    assert reader.series("loss") == [(1.0, 0.5), (2.0, 0.4)]
    assert reader.series("accuracy") == [(2.0, 0.9)]
    assert reader.progress() == (2.0, 10.0)
    assert metrics.progress_line(reader.points) == "step 2/10  loss 0.4  accuracy 0.9"
    assert reader.skipped == 0


def test_bad_metric_lines_are_counted_not_fatal(attempt: Attempt) -> None:
    report(attempt, b'\n[1]\n3\nnull\nnot json\n{"a": "text"}\n{}\n\xff\n' + b"[" * 5000 + b"\n")
    report(
        attempt,
        b'{"loss": NaN, "best": -Infinity, "big": 1e999, "ok": true, "word": "x", "n": null}\n{"torn": 1',
    )
    reader = metrics.read_metrics(attempt, ended=False)
    assert reader.skipped == 8
    last = reader.last_values()
    assert math.isnan(last["loss"]) and last["best"] == -math.inf and last["big"] == math.inf
    assert last["ok"] == 1.0 and "word" not in last and "n" not in last
    reader.read_new(ended=True)
    assert reader.skipped == 9


def test_a_whole_last_line_without_end_counts_at_the_end(attempt: Attempt) -> None:
    report(attempt, b'{"loss": 1}\n{"loss": 2}')
    assert metrics.read_metrics(attempt, ended=False).last_values() == {"loss": 1.0}
    assert metrics.read_metrics(attempt).last_values() == {"loss": 2.0}


def test_metrics_longer_than_a_chunk_are_read_whole(
    attempt: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "_CHUNK", 64)
    report(attempt, b"".join(b'{"step": %d, "loss": %d}\n' % (n, n) for n in range(100)))
    reader = metrics.read_metrics(attempt)
    assert len(reader.points) == 100 and reader.skipped == 0


def test_nested_metrics_have_dotted_names(attempt: Attempt) -> None:
    report(attempt, b'{"val": {"loss": 0.5, "top": {"k": 3}}}\n')
    assert metrics.read_metrics(attempt).last_values() == {"val.loss": 0.5, "val.top.k": 3.0}


def test_workspaces_are_remembered_newest_first(tmp_path: Path) -> None:
    assert workspaces.known() == []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        workspaces.remember(str(tmp_path / name), "lab", "local")
    workspaces.remember("s3://bucket/runs", "cloud", "kubernetes")
    workspaces.remember(str(tmp_path / "a"), "lab", "docker")
    found = workspaces.known()
    assert [w.store for w in found] == [str(tmp_path / "a"), "s3://bucket/runs", str(tmp_path / "b")]
    assert found[0].target == "docker" and found[0].last_seen > 0
    (tmp_path / "b").rmdir()
    assert len(workspaces.known()) == 2


def test_the_list_of_workspaces_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workspaces, "LIMIT", 3)
    for number in range(5):
        workspaces.remember(f"s3://bucket/{number}")
    assert [w.store for w in workspaces.known()] == ["s3://bucket/4", "s3://bucket/3", "s3://bucket/2"]


def test_a_damaged_list_of_workspaces_starts_again(tmp_path: Path) -> None:
    workspaces.remember("s3://bucket/a")
    file = tmp_path / "state" / "workspaces.json"
    for damage in ("{", "[]", '{"workspaces": [3]}', json.dumps({"workspaces": [{"store": "x"}]})):
        file.write_text(damage)
        assert workspaces.known() == []
    workspaces.remember("s3://bucket/b")
    assert [w.store for w in workspaces.known()] == ["s3://bucket/b"]


def test_a_list_that_cannot_be_written_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("TRAINING_STATE_DIR", str(tmp_path / "file"))
    workspaces.remember("s3://bucket/a")
    assert workspaces.known() == []
