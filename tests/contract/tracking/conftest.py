"""Tracking stores as they really are: a server on loopback, and a store in a workspace's folder."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from mlflow_server import LOGIN, TOKEN, MlflowServer, TokenGate

from pulumi_training.record.documents import AttemptDocument, RunDocument
from pulumi_training.record.record import Record
from pulumi_training.record.store import Store
from pulumi_training.tracking.place import Place, place_in

pytest.importorskip("mlflow")


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINING_STATE_DIR", str(tmp_path / "state"))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    made = MlflowServer(tmp_path_factory.mktemp("server"))
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="session")
def locked_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """A server that asks for `LOGIN`."""
    made = MlflowServer(tmp_path_factory.mktemp("locked-server"), LOGIN)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def gate(server: MlflowServer) -> Iterator[TokenGate]:
    """The server behind a proxy that asks for `TOKEN`."""
    made = TokenGate(server, TOKEN)
    yield made
    made.stop()


@pytest.fixture
def record(tmp_path: Path) -> Record:
    store = Store.open(str(tmp_path / "store"))
    made = Record(store, "fit-0123456789")
    spec = {
        "entryScript": "train.py",
        "arguments": ["--epochs", "5"],
        "tags": {"team": "vision"},
        "nodeCount": 1,
    }
    made.write_run(RunDocument(made.run_id, "fit", {"urn": "urn:fit"}, "lab", "v1:abc", spec, "sha256:def"))
    attempt = made.start_attempt(AttemptDocument(made.run_id, 1))
    assert attempt is not None
    return made


@pytest.fixture(params=["server", "workspace"])
def place(request: pytest.FixtureRequest, record: Record) -> Place:
    if request.param == "workspace":
        found = place_in(record.store)
        assert found is not None
        return found
    server: MlflowServer = request.getfixturevalue("server")
    return Place(server.uri)
