from __future__ import annotations

import time

import pytest
from shelf import Shelf, log

from pulumi_training.client import follow
from pulumi_training.client.follow import Following, Turn, chunks, lines, tail_start
from pulumi_training.record.attempt import Attempt
from pulumi_training.record.documents import AttemptDocument
from pulumi_training.record.lock import DriverLock
from pulumi_training.record.logs import LogLine
from pulumi_training.record.notes import Notes
from pulumi_training.record.record import Record
from pulumi_training.spec.errors import PermanentError
from pulumi_training.spec.outcome import Outcome, Reason, Status


@pytest.mark.parametrize(
    ("text", "count", "expected"),
    [
        (b"a\nb\nc\n", 2, b"b\nc\n"),
        (b"a\nb\nc", 2, b"b\nc"),
        (b"a\nb\nc\n", 0, b""),
        (b"a\nb\nc\n", 9, b"a\nb\nc\n"),
        (b"\n\n\n", 1, b"\n"),
        (b"", 3, b""),
        (b"x" * 700_000 + b"\nlast\n", 1, b"last\n"),
        (b"first\n" + b"x" * 700_000, 1, b"x" * 700_000),
    ],
)
def test_the_tail_begins_at_a_line(shelf: Shelf, text: bytes, count: int, expected: bytes) -> None:
    attempt = shelf.live("fit-0000000000")
    log(attempt, 0, text)
    assert text[tail_start(attempt, 0, count) :] == expected


def test_one_rank_comes_byte_for_byte(shelf: Shelf) -> None:
    attempt = shelf.finished("fit-0000000000")
    text = b"\xff\x00\r\n\x1b[31mred" * 30_000
    log(attempt, 0, text)
    assert b"".join(c for c in chunks(record_of(attempt), 1, 0) if isinstance(c, bytes)) == text


def test_every_rank_comes_by_lines(shelf: Shelf) -> None:
    attempt = shelf.finished("fit-0000000000")
    log(attempt, 0, b"a\nb\n")
    log(attempt, 1, b"c\nd")
    found = [(line.rank, line.text) for line in lines(record_of(attempt), 1) if isinstance(line, LogLine)]
    assert sorted(found) == [(0, "a"), (0, "b"), (1, "c"), (1, "d")]
    cut = [line.text for line in lines(record_of(attempt), 1, tail=1) if isinstance(line, LogLine)]
    assert sorted(cut) == ["b", "d"]


def test_following_ends_with_the_run_and_misses_nothing(shelf: Shelf) -> None:
    attempt = shelf.live("fit-0000000000")
    path = log(attempt, 0, b"one\n")
    steps = iter((b"two\n", b"three"))

    def sleep(_: float) -> None:
        step = next(steps, None)
        if step is None:
            attempt.update(outcome=Outcome(Reason.COMPLETED))
            return
        with path.open("ab") as stream:
            stream.write(step)

    found = lines(record_of(attempt), 1, following=Following(sleep=sleep))
    assert [line.text for line in found if isinstance(line, LogLine)] == ["one", "two", "three"]


def test_following_goes_over_to_the_retry(shelf: Shelf) -> None:
    attempt = shelf.live("fit-0000000000")
    record = record_of(attempt)
    log(attempt, 0, b"first try\n")

    def sleep(_: float) -> None:
        if attempt.document().is_live:
            attempt.update(outcome=Outcome(Reason.NODE_LOST), notes=Notes.of(will_retry=True))
        elif not record.attempt(2).exists():
            record.start_attempt(AttemptDocument(record.run_id, 2))
        else:
            log(record.attempt(2), 0, b"second try\n")
            record.attempt(2).update(outcome=Outcome(Reason.COMPLETED))

    found = list(chunks(record, 1, 0, tail=5, following=Following(sleep=sleep)))
    assert [piece for piece in found if isinstance(piece, bytes)] == [b"first try\n", b"second try\n"]
    turn = next(piece for piece in found if isinstance(piece, Turn))
    assert (turn.attempt, turn.before.status) == (2, Status.FAILED)


def test_a_run_that_nobody_drives_is_not_followed_for_ever(shelf: Shelf) -> None:
    attempt = shelf.live("fit-0000000000")
    now = 0.0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += 1.0

    with pytest.raises(PermanentError, match="Nobody drives fit-0000000000"):
        list(chunks(record_of(attempt), 1, 0, following=Following(sleep=sleep, clock=lambda: now)))
    assert now < 60


def test_a_dead_driver_of_a_submitted_run_is_replaced(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    attempt = shelf.live("fit-0000000000")
    attempt.update(
        handle={"target": "local", "run_id": "x", "attempt": 1, "folder": "/"}, notes=Notes.of(base="/b")
    )
    called = []

    def observed(record: Record, seen: Attempt, base: object) -> None:
        called.append(str(base))
        seen.update(outcome=Outcome(Reason.COMPLETED))

    monkeypatch.setattr("pulumi_training.driver.attach.observed", observed)
    now, told = 0.0, []

    def sleep(seconds: float) -> None:
        nonlocal now
        now += 1.0

    list(
        chunks(
            record_of(attempt), 1, 0, following=Following(sleep=sleep, clock=lambda: now, tell=told.append)
        )
    )
    assert called == ["/b"]
    assert "another one takes over" in told[0]


def test_a_driven_run_is_left_to_its_driver(shelf: Shelf) -> None:
    attempt = shelf.live("fit-0000000000")
    began = time.monotonic()
    looks = 0

    def sleep(seconds: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 40:
            attempt.update(outcome=Outcome(Reason.COMPLETED))

    with DriverLock(record_of(attempt), beat_seconds=0) as lock:
        assert lock.acquire()
        following = Following(sleep=sleep, clock=lambda: float(looks))
        assert list(chunks(record_of(attempt), 1, 0, following=following)) == []
    assert time.monotonic() - began < 10
    assert follow._UNATTENDED_SECONDS < 40


def record_of(attempt: Attempt) -> Record:
    return Record(attempt.store, attempt.run_id)
