from __future__ import annotations

import json

import pytest
from shelf import Shelf, write

from pulumi_training.client.find import find
from pulumi_training.client.view import view
from pulumi_training.record.documents import AttemptDocument
from pulumi_training.record.notes import Notes
from pulumi_training.record.retention import prune
from pulumi_training.record.store import NotFound
from pulumi_training.spec.outcome import Status


def test_a_view_holds_all_that_the_record_knows(shelf: Shelf) -> None:
    attempt = shelf.failed("fit-0000000000", environment={"packages": ["numpy==2.0"], "warnings": ["old"]})
    attempt.event("intent", "attempt 1")
    write(attempt, "ranks/1.json", b'{"rank": 1, "node": 1, "state": "exited", "exit_code": 3}')
    write(attempt, "ranks/0.json", b'{"rank": 0, "node": 0, "state": "exited", "stopped_by_us": true}')
    write(attempt, "ranks/2.json", b'{"rank": ')
    write(attempt, "outputs/model.bin", b"1234")
    attempt.write_manifest()
    seen = view(find("fit"))
    assert seen.status is Status.FAILED
    assert seen.outcome and seen.outcome.rank == 1
    assert [(r.rank, r.exit_code) for r in seen.ranks] == [(0, None), (1, 3)]
    assert [e.kind for e in seen.events] == ["intent"]
    assert [(f.path, f.size) for f in seen.outputs] == [("model.bin", 4)]
    assert seen.outputs[0].sha256 and seen.manifest
    assert (seen.packages, seen.warnings) == (("numpy==2.0",), ("old",))
    document = json.loads(json.dumps(seen.to_json()))
    assert document["advice"] == seen.outcome.reason.rule.advice != ""
    assert document["locations"]["logs"].endswith("attempts/1/logs")


def test_outputs_of_a_live_run_are_listed_without_digests(shelf: Shelf) -> None:
    attempt = shelf.live("fit-0000000000")
    write(attempt, "outputs/part/a.bin", b"12")
    seen = view(find("fit"))
    assert [(f.path, f.size, f.sha256) for f in seen.outputs] == [("part/a.bin", 2, None)]
    assert seen.is_attended is False
    assert seen.manifest is None


def test_an_older_attempt_can_be_looked_at(shelf: Shelf) -> None:
    attempt = shelf.failed("fit-0000000000")
    record = find("fit").record
    record.start_attempt(AttemptDocument(record.run_id, 2, notes=Notes.of(retry_of=1)))
    seen = view(find("fit"))
    assert (seen.status, len(seen.attempts), seen.attempts[1].retry_of) == (Status.NOT_STARTED, 2, 1)
    assert view(find("fit"), attempt.number).status is Status.FAILED
    with pytest.raises(NotFound, match="there is 1, 2"):
        view(find("fit"), 7)


def test_a_pruned_run_answers_from_its_tombstone(shelf: Shelf) -> None:
    attempt = shelf.finished("fit-0000000000")
    write(attempt, "outputs/model.bin", b"1234")
    digest = attempt.write_manifest().digest
    prune(find("fit").record)
    seen = view(find("fit"))
    assert (seen.is_pruned, seen.status, seen.manifest) == (True, Status.COMPLETED, digest)
    assert seen.outputs_location is None


def test_a_run_without_an_attempt_has_a_view(shelf: Shelf) -> None:
    shelf.run("fit-0000000000")
    seen = view(find("fit"))
    assert (seen.status, seen.document, seen.duration) == (Status.NOT_STARTED, None, None)
    json.dumps(seen.to_json())
