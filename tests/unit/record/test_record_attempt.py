from __future__ import annotations

import json
from pathlib import Path

import pytest

from pulumi_training.record import attempt as attempt_module
from pulumi_training.record import events
from pulumi_training.record.attempt import Attempt
from pulumi_training.record.documents import AlreadyEnded, AttemptDocument, RunDocument
from pulumi_training.record.record import Record
from pulumi_training.record.retention import prune, purge
from pulumi_training.record.runs import runs
from pulumi_training.record.store import NotFound, Store
from pulumi_training.spec.document import NewerDocument
from pulumi_training.spec.errors import SpecError, TrainingError, TransientError
from pulumi_training.spec.outcome import Outcome, Reason, Status

DONE = Outcome(Reason.COMPLETED)
JUDGED = Outcome(Reason.EXPECTATION_FAILED, "accuracy 0.9 is not >= 0.93")
LOST = Outcome(Reason.COLLECT_FAILED)
FAILED = Outcome(Reason.SCRIPT_FAILED, rank=3, exit_code=1)


def started(record: Record, number: int = 1) -> Attempt:
    attempt = record.start_attempt(AttemptDocument(record.run_id, number))
    assert attempt
    return attempt


def test_only_the_first_intent_counts(record: Record) -> None:
    attempt = started(record)
    assert record.start_attempt(AttemptDocument(record.run_id, 1, status=Status.QUEUED)) is None
    assert attempt.document().status is Status.NOT_STARTED
    assert attempt.document().created_at > 0
    for name in ("logs/std", "outputs", "ranks", "metrics", "launch"):
        assert (attempt.folder / name).is_dir()


def test_documents_survive_the_round_trip(record: Record) -> None:
    run = RunDocument(record.run_id, "fit", {"urn": "u"}, "lab", "v1:ab", {"nodeCount": 2}, "sha256:ab", 5.0)
    record.write_run(run)
    assert record.run_document() == run
    attempt = started(record)
    changed = attempt.update(
        outcome=FAILED, supervisor={"pid": 1}, plan={"argv": ["a"]}, metrics={"loss": 0.5}
    )
    assert changed.status is Status.FAILED
    assert attempt.document() == changed
    assert attempt.document().outcome == FAILED


def test_a_field_that_is_not_known_is_left_out(record: Record, store: Store) -> None:
    attempt = started(record)
    key = f"{attempt.prefix}/attempt.json"
    store.write(key, json.dumps({**json.loads(store.read(key)), "shiny": True}).encode())
    assert attempt.document().version == 1


def test_a_document_of_a_newer_version_is_named_and_not_written(record: Record, store: Store) -> None:
    attempt = started(record)
    key = f"{attempt.prefix}/attempt.json"
    newer = json.dumps({**json.loads(store.read(key)), "version": 9, "shiny": True}).encode()
    store.write(key, newer)
    with pytest.raises(NewerDocument, match=r"attempts/1/attempt.json was written by a newer version"):
        attempt.document()
    with pytest.raises(NewerDocument):
        attempt.update(acknowledged=True)
    assert store.read(key) == newer


def test_a_damaged_document_is_named(record: Record, store: Store) -> None:
    attempt = started(record)
    store.write(f"{attempt.prefix}/attempt.json", b'{"run_id": ')
    with pytest.raises(TrainingError, match=r"attempts/1/attempt.json is damaged"):
        attempt.document()


@pytest.mark.parametrize(
    ("end", "change"),
    [
        (DONE, {"status": Status.RUNNING}),
        (DONE, {"status": Status.FINALIZING}),
        (DONE, {"outcome": FAILED}),
        (FAILED, {"outcome": DONE}),
        (FAILED, {"status": Status.QUEUED, "outcome": None}),
        (JUDGED, {"outcome": Outcome(Reason.CANCELED)}),
        (Outcome(Reason.CANCELED), {"status": Status.RUNNING}),
    ],
)
def test_an_ended_attempt_stays_ended(folder_store: Store, end: Outcome, change: dict[str, object]) -> None:
    attempt = started(Record(folder_store, "fit-1"))
    attempt.update(outcome=end)
    with pytest.raises(AlreadyEnded, match="has ended as"):
        attempt.update(**change)
    assert attempt.document().outcome == end


@pytest.mark.parametrize(
    ("end", "again"),
    [(DONE, JUDGED), (JUDGED, DONE), (JUDGED, JUDGED), (LOST, DONE), (LOST, FAILED), (LOST, LOST)],
)
def test_an_end_may_be_judged_and_collected_again(folder_store: Store, end: Outcome, again: Outcome) -> None:
    attempt = started(Record(folder_store, "fit-1"))
    attempt.update(outcome=end)
    assert attempt.update(outcome=again).status is again.status


def test_collecting_again_goes_through_finalizing(folder_store: Store) -> None:
    attempt = started(Record(folder_store, "fit-1"))
    attempt.update(outcome=LOST)
    attempt.update(status=Status.FINALIZING)
    assert attempt.update(outcome=DONE).status is Status.COMPLETED


def test_an_ended_attempt_still_takes_notes(folder_store: Store) -> None:
    attempt = started(Record(folder_store, "fit-1"))
    attempt.update(outcome=FAILED)
    assert attempt.update(acknowledged=True).acknowledged


def test_wrong_changes_are_refused(folder_store: Store) -> None:
    attempt = started(Record(folder_store, "fit-1"))
    with pytest.raises(TrainingError, match="no such field"):
        attempt.update(colour="red")
    with pytest.raises(TrainingError, match="Completed needs an outcome"):
        attempt.update(status=Status.COMPLETED)
    attempt.update(status=Status.RUNNING)
    with pytest.raises(TrainingError, match="cannot be NotStarted again"):
        attempt.update(status=Status.NOT_STARTED)
    with pytest.raises(NotFound):
        Record(folder_store, "fit-1").attempt(9).update(status=Status.RUNNING)


def test_a_lock_that_somebody_keeps_is_transient(
    folder_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = started(Record(folder_store, "fit-1"))
    real = attempt_module.locked
    monkeypatch.setattr(attempt_module, "locked", lambda path: real(path, timeout=0.05))
    with real(attempt.folder / ".~attempt.lock"), pytest.raises(TransientError, match="was locked"):
        attempt.update(status=Status.RUNNING)


def test_secrets_are_masked_wherever_they_would_be_kept(store: Store) -> None:
    record = Record(store, "fit-1", secrets=["hunter22"])
    record.write_run(RunDocument("fit-1", spec={"arguments": ["--token", "hunter22"]}))
    attempt = started(record)
    attempt.update(
        plan={"env": {"hunter22": "xhunter22x"}}, outcome=Outcome(Reason.SCRIPT_FAILED, "hunter22")
    )
    attempt.event("failed", "hunter22", argv=["hunter22"])
    for entry in store.list("runs"):
        assert b"hunter22" not in store.read(entry.key), entry.key


def test_events_go_on_from_a_cursor(record: Record) -> None:
    attempt = started(record)
    for number in range(5):
        attempt.event("step", f"number {number}", n=number)
    seen = list(attempt.events())
    assert [event.data["n"] for event in seen] == [0, 1, 2, 3, 4]
    assert [event.message for event in attempt.events(after=seen[2].cursor)] == ["number 3", "number 4"]
    last = seen[-1].cursor
    assert list(attempt.events(after=last)) == []
    record.attempt(1).event("more")
    assert [event.kind for event in attempt.events(after=last)] == ["more"]


def test_events_rotate_by_lines_and_by_bytes(folder_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "SEGMENT_LINES", 3)
    attempt = started(Record(folder_store, "fit-1"))
    for number in range(7):
        attempt.event("step", n=number)
    assert folder_store.children(f"{attempt.prefix}/events") == (
        "000001.jsonl",
        "000002.jsonl",
        "000003.jsonl",
    )
    first = next(attempt.events())
    assert [event.data["n"] for event in attempt.events(after=first.cursor)] == [1, 2, 3, 4, 5, 6]
    monkeypatch.setattr(events, "SEGMENT_BYTES", 10)
    attempt.event("step", n=7)
    attempt.event("step", n=8)
    assert len(folder_store.children(f"{attempt.prefix}/events")) == 5
    assert [event.data["n"] for event in attempt.events()] == list(range(9))


def test_a_torn_event_is_left_out_and_the_next_is_whole(folder_store: Store) -> None:
    attempt = started(Record(folder_store, "fit-1"))
    attempt.event("one")
    with (attempt.folder / "events" / "000001.jsonl").open("ab") as stream:
        stream.write(b'{"at": 1, "kind": "to')
    seen = list(attempt.events())
    assert [event.kind for event in seen] == ["one"]
    attempt.event("two")
    assert [event.kind for event in attempt.events(after=seen[-1].cursor)] == ["two"]


def test_a_cursor_that_is_none_is_refused(folder_store: Store) -> None:
    with pytest.raises(TrainingError, match="is not a cursor"):
        list(started(Record(folder_store, "fit-1")).events(after="yesterday"))


def test_attempts_count_those_with_an_intent(record: Record, store: Store) -> None:
    assert record.attempts() == [] and record.newest() is None
    record.write_run(RunDocument(record.run_id))
    for number in (1, 2, 10):
        started(record, number)
    store.write(f"{record.prefix}/attempts/11/logs/std/rank-0.log", b"left over")
    assert record.attempts() == [1, 2, 10]
    newest = record.newest()
    assert newest and newest.number == 10
    assert record.run_document().newest_attempt == 10


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "a b"])
def test_a_run_id_is_a_plain_name(folder_store: Store, name: str) -> None:
    with pytest.raises(SpecError, match="is not a run id"):
        Record(folder_store, name)


def test_runs_come_newest_first_and_damaged_ones_are_left_out(store: Store) -> None:
    for number, created in ((1, 10.0), (2, 30.0), (3, 20.0)):
        record = Record(store, f"fit-{number}")
        record.write_run(RunDocument(record.run_id, created_at=created))
        record.start_attempt(AttemptDocument(record.run_id, 1, created_at=created))
    store.write("runs/broken/run.json", b"{")
    Record(store, "fit-1").start_attempt(AttemptDocument("fit-1", 2, created_at=40.0))
    found = list(runs(store))
    assert [summary.run.run_id for summary in found] == ["fit-1", "fit-2", "fit-3"]
    assert found[0].attempt and found[0].attempt.attempt == 2


def test_a_pruned_run_still_answers(record: Record, store: Store) -> None:
    record.write_run(RunDocument(record.run_id, name="fit"))
    attempt = started(record)
    (attempt.folder / "outputs" / "model").write_bytes(b"12345")
    manifest = attempt.write_manifest()
    with pytest.raises(TrainingError, match="only a finished run can be pruned"):
        prune(record)
    attempt.update(outcome=DONE)
    left = prune(record)
    assert left["outputs"] == {"digest": manifest.digest, "files": 1, "size": 5}
    assert prune(record) == left
    assert record.attempts() == [] and not attempt.folder.exists()
    summary = next(runs(store))
    assert summary.attempt and summary.attempt.outcome == DONE
    assert record.run_document().tombstone == left


def test_a_run_after_pruning_has_no_tombstone(record: Record) -> None:
    record.write_run(RunDocument(record.run_id))
    started(record).update(outcome=DONE)
    prune(record)
    started(record, 2)
    assert record.run_document().tombstone is None


def test_purging_leaves_nothing(record: Record, store: Store) -> None:
    record.write_run(RunDocument(record.run_id))
    started(record).update(outcome=DONE)
    purge(record)
    assert [entry.key for entry in store.list()] == ["store.json"] and not record.exists()


def test_a_remote_attempt_has_a_folder_here(tmp_path: Path) -> None:
    folder = Record(Store.open("memory://elsewhere/runs"), "fit-1").attempt(2).folder
    assert folder.is_relative_to(tmp_path / "state" / "staging")
    assert folder.parts[-3:] == ("fit-1", "attempts", "2")
