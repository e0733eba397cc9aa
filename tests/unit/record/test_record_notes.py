"""Notes are read by name and written as they came: what another version noted is carried along."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pulumi_training.record.documents import AttemptDocument, encode
from pulumi_training.record.notes import Notes
from pulumi_training.spec.document import DamagedDocument
from pulumi_training.spec.outcome import Outcome, Reason

NOTED = {
    "series_start": 2,
    "base": "/b",
    "tree_digest": "d",
    "resumes": None,
    "of_a_newer_version": {"a": [1]},
}


def document(**notes: object) -> AttemptDocument:
    return AttemptDocument.from_json({"run_id": "fit-1", "attempt": 3, "notes": notes})


def test_notes_stay_as_they_came() -> None:
    read = document(**NOTED)
    assert json.loads(encode(read.to_json()))["notes"] == NOTED
    retried = read.changed(notes=read.notes.changed(will_retry=True))
    assert json.loads(encode(retried.to_json()))["notes"] == {**NOTED, "will_retry": True}


def test_they_are_read_by_name() -> None:
    notes = document(**NOTED, retry_of=2, git={"commit": "c0ffee"}).notes
    assert (notes.series_start, notes.base, notes.tree_digest) == (2, Path("/b"), "d")
    assert (notes.resumes, notes.retry_of, notes.will_retry) == (None, 2, False)
    assert (notes.git, notes.portal_url, notes.cancel_grace) == ({"commit": "c0ffee"}, None, None)
    assert document(**NOTED).tries == 2


def test_an_attempt_of_before_has_none() -> None:
    plain = AttemptDocument.from_json({"run_id": "fit-1", "attempt": 3})
    assert plain.notes == Notes() and plain.tries == 1 and plain.notes.base == Path()


@pytest.mark.parametrize(
    "notes", [{"will_retry": "no"}, {"retry_of": -1}, {"cancel_grace": "long"}, {"git": {"commit": 7}}]
)
def test_a_note_of_another_type_is_damage(notes: dict[str, object]) -> None:
    with pytest.raises(DamagedDocument, match="notes"):
        document(**notes)


def test_an_attempt_is_over_when_no_retry_follows() -> None:
    live = document()
    lost = live.changed(outcome=Outcome(Reason.NODE_LOST))
    assert [live.is_over, lost.is_over] == [False, True]
    assert not lost.changed(notes=Notes.of(will_retry=True)).is_over
