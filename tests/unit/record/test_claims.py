"""Claims of backends to a run: one document each, and one that cannot be read claims everything."""

from __future__ import annotations

from pathlib import Path

import pytest

from pulumi_training.record.backend import Backend, backend_at
from pulumi_training.record.claims import claim, claim_of, claims, release
from pulumi_training.record.documents import RunDocument
from pulumi_training.record.record import Record
from pulumi_training.record.store import Store

OWNER = {"urn": "urn:pulumi:dev::shop::training:index:TrainingJob::fit", "stack": "dev", "project": "shop"}


@pytest.fixture
def record(tmp_path: Path) -> Record:
    made = Record(Store.open(str(tmp_path / "store")), "fit-0123456789")
    made.write_run(RunDocument(made.run_id, owner=OWNER))
    return made


def at(url: str) -> Backend:
    found = backend_at(url, Path("/"), {})
    assert found is not None
    return found


def test_each_backend_has_a_claim_of_its_own_and_gives_up_that_one_alone(record: Record) -> None:
    one, two = at("file:///one"), at("s3://two?token=hunter2")
    claim(record, one, OWNER, 1)
    claim(record, two, OWNER, 2)
    claim(record, one, OWNER, 3)
    assert {each.backend: each.attempt for each in claims(record)} == {one.digest: 3, two.digest: 2}
    release(record, one.digest)
    release(record, one.digest)
    assert [each.backend for each in claims(record)] == [two.digest]
    assert "hunter2" not in "".join(path.read_text() for path in Path(record.location).glob("claims/*"))


def test_an_unchanged_claim_is_not_written_again(record: Record) -> None:
    claim(record, at("file:///one"), OWNER, 1)
    (path,) = Path(record.location).glob("claims/*")
    before = path.stat().st_ino
    claim(record, at("file:///one/"), OWNER, 1)
    assert path.stat().st_ino == before


@pytest.mark.parametrize(
    "text", ["", "{garbage", "[]", "{}", '{"attempt": "1"}', '{"attempt": 1, "urn": 5}', "null"]
)
def test_a_damaged_claim_claims_every_attempt(text: str, record: Record) -> None:
    digest = at("file:///one").digest
    claim(record, at("file:///one"), OWNER, 1)
    (path,) = Path(record.location).glob("claims/*")
    path.write_text(text)
    (found,) = claims(record)
    assert found.is_damaged and found.covers(99) and found.backend == digest
    assert str(path.name) in str(found)
    claim(record, at("file:///one"), OWNER, 1)
    assert claim_of(record, digest) is not None and not claims(record)[0].is_damaged


def test_what_is_no_claim_is_left_out(record: Record) -> None:
    assert claims(record) == []
    record.store.write(f"{record.prefix}/claims/README", b"by hand")
    assert claims(record) == []


def test_a_claim_of_a_newer_version_is_read(record: Record) -> None:
    claim(record, at("file:///one"), OWNER, 1)
    (path,) = Path(record.location).glob("claims/*")
    path.write_text(path.read_text().replace("{", '{"more": 1,', 1))
    assert [(each.attempt, each.is_damaged) for each in claims(record)] == [(1, False)]
