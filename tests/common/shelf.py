"""Runs made with the record's own API, in folders of the test's own."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pulumi_training.record import workspaces
from pulumi_training.record.attempt import Attempt
from pulumi_training.record.documents import AttemptDocument, RunDocument
from pulumi_training.record.record import Record
from pulumi_training.record.store import Store
from pulumi_training.spec.outcome import Outcome, Reason, Status

TYPE = "training:index:TrainingJob"
URN = f"urn:pulumi:dev::shop::{TYPE}::"


@dataclass(frozen=True)
class Shelf:
    """A store that this machine knows as workspace `lab`, and whose runs are put there."""

    store: Store
    project: str = "shop"
    stack: str = "dev"

    def run(
        self, run_id: str, name: str = "fit", *, nodes: int = 1, more: Any = None, **fields: Any
    ) -> Record:
        record = Record(self.store, run_id)
        spec = {
            "nodeCount": nodes,
            "processCountPerNode": 1,
            "entryScript": "train.py",
            "arguments": ["--epochs", "5"],
            "distributedBackend": "mpi" if nodes > 1 else None,
            "compute": {"target": "local", "cluster": "cpu"},
            "retries": {"maxAttempts": 1, "on": [], "backoffSeconds": 1},
            "rerunFailed": "on_up",
            "queueTimeoutSeconds": None,
            "gracePeriodSeconds": 30,
            "expect": {},
            "metricsRank": 0,
            **(more or {}),
        }
        urn = f"urn:pulumi:{self.stack}::{self.project}::{TYPE}::{name}"
        owner = {"urn": urn, "stack": self.stack, "project": self.project}
        record.write_run(RunDocument(run_id, name, owner, "lab", "v1:ab", spec, "sha256:ab", **fields))
        return record

    def attempt(self, record: Record, number: int = 1, **fields: Any) -> Attempt:
        attempt = record.start_attempt(AttemptDocument(record.run_id, number, target="local", **fields))
        assert attempt is not None
        return attempt

    def finished(self, run_id: str, name: str = "fit", **fields: Any) -> Attempt:
        now = time.time()
        attempt = self.attempt(self.run(run_id, name), created_at=fields.pop("created_at", now))
        attempt.update(
            started_at=now - 65,
            ended_at=now,
            metrics={"accuracy": 0.9611},
            outcome=Outcome(Reason.COMPLETED),
            **fields,
        )
        return attempt

    def failed(self, run_id: str, name: str = "fit", **fields: Any) -> Attempt:
        attempt = self.attempt(self.run(run_id, name, nodes=2))
        outcome = Outcome(
            Reason.SCRIPT_FAILED,
            "rank 1 on node 1 exited with code 3: ValueError: no label",
            rank=1,
            node=1,
            exit_code=3,
            exception="ValueError: no label",
            log_tail="epoch 1\nValueError: no label",
        )
        now = time.time()
        attempt.update(started_at=now - 2, ended_at=now, outcome=outcome, **fields)
        return attempt

    def live(self, run_id: str, name: str = "fit", *, nodes: int = 1) -> Attempt:
        attempt = self.attempt(self.run(run_id, name, nodes=nodes))
        attempt.update(status=Status.RUNNING, started_at=time.time(), progress="step 1/3")
        return attempt


def write(attempt: Attempt, path: str, data: bytes) -> Path:
    place = attempt.folder / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)
    return place


def log(attempt: Attempt, rank: int, data: bytes) -> Path:
    return write(attempt, f"logs/std/rank-{rank}.log", data)


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test has a state folder, a cache, a Pulumi home and a folder to work in."""
    monkeypatch.setenv("TRAINING_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("TRAINING_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "pulumi"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """The store of a workspace `lab` that this machine knows."""
    folder = tmp_path / "lab"
    folder.mkdir()
    workspaces.remember(str(folder), "lab", "local")
    return Shelf(Store.open(str(folder)))
