"""One bad run, or one bad attempt, does not keep the others from being swept."""

from __future__ import annotations

from pathlib import Path

import pytest

from pulumi_training.driver import stop
from pulumi_training.driver.retain import remove_records
from pulumi_training.record.documents import AttemptDocument, RunDocument
from pulumi_training.record.record import Record
from pulumi_training.record.store import Store
from pulumi_training.spec.errors import TransientError
from pulumi_training.spec.outcome import Outcome, Reason
from pulumi_training.targets.docker.backend import MARK

pytest.importorskip("docker")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("TRAINING_STATE_DIR", str(tmp_path / "state"))
    return Store.open(str(tmp_path / "store"))


def ended(store: Store, run_id: str, *targets: str) -> Record:
    """A run with an ended attempt on each target."""
    record = Record(store, run_id)
    spec = {"gracePeriodSeconds": 1, "compute": {"target": "local", "settings": {}}}
    record.write_run(RunDocument(run_id=run_id, name="fit", spec=spec))
    for number, target in enumerate(targets, 1):
        attempt = record.start_attempt(AttemptDocument(run_id, number, target=target))
        assert attempt is not None
        attempt.update(outcome=Outcome(Reason.COMPLETED))
        (attempt.folder / "code").mkdir()
    return record


def test_attempts_behind_one_that_cannot_be_removed_are_removed(store: Store, tmp_path: Path) -> None:
    record = ended(store, "fit-1", "docker", "local")
    first, second = record.attempt(1), record.attempt(2)
    MARK.write(first.folder, {"docker_host": f"unix://{tmp_path}/nobody.sock", "nodes": [], "begun": True})
    with pytest.raises(TransientError, match="does not answer"):
        stop.remove(record)
    assert second.document().acknowledged and not (second.folder / "code").exists()
    assert not first.document().acknowledged


def test_records_behind_one_that_cannot_go_are_pruned(store: Store) -> None:
    for name in ("fit-1", "fit-2", "fit-3"):
        ended(store, name, "local")
    live = Record(store, "fit-2")
    live.start_attempt(AttemptDocument("fit-2", 2, target="local"))
    told: list[str] = []
    assert remove_records(store, ["fit-1", "fit-2", "fit-3"], told.append) == ["fit-1", "fit-3"]
    assert len(told) == 1 and "fit-2" in told[0]
    assert live.attempts() == [1, 2]
