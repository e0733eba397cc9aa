"""Where the MLflow runs of a workspace are kept, and whether what writes them is installed."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ..record.store import Store
from ..spec.recorded import RecordedJob
from ..spec.tracking import IN_WORKSPACE
from ..spec.urls import display

FOLDER = "mlflow"
"""In the workspace's store, beside `runs`."""
AS_TRAINING = "workflowType=machine_learning"
"""MLflow 3's pages show chat traces where an address does not ask for training; older ones do not mind."""
_BUSY_SECONDS = 60


@dataclass(frozen=True)
class Place:
    """A tracking store. `uri` is what MLflow takes; `folder` is the workspace's own store, None for a server."""

    uri: str
    folder: Path | None = None

    @property
    def display(self) -> str:
        """The place in words: the folder, or the server's address."""
        return str(self.folder) if self.folder else display(self.uri)

    @property
    def artifacts(self) -> str | None:
        """Where artifacts go, as a URI; a server decides that itself."""
        return (self.folder / "artifacts").as_uri() if self.folder else None

    def page(self, experiment_id: str, mlflow_run_id: str) -> str | None:
        """The address of a run's page; a store in a folder has none until a UI is started over it."""
        if self.folder is not None:
            return None
        return f"{self.uri.rstrip('/')}/#/experiments/{experiment_id}/runs/{mlflow_run_id}?{AS_TRAINING}"


def place_of(job: RecordedJob, store: Store) -> Place | None:
    """Where the runs of a job are tracked; None where they are not."""
    uri = job.compute.tracking_uri
    if not uri:
        return None
    return place_in(store) if uri == IN_WORKSPACE else Place(uri)


def place_in(store: Store) -> Place | None:
    """The store inside a workspace's folder; None where the workspace is no folder.

    SQLite, because MLflow 3 refuses stores of plain files, and several processes (ours and every rank) may write to it
    at once: each waits for the others up to a minute.
    """
    folder = store.local_path(FOLDER)
    if folder is None:
        return None
    return Place(f"sqlite:///{folder / 'mlflow.db'}?timeout={_BUSY_SECONDS}", folder)


def missing(uri: str) -> str | None:
    """What must be installed before runs can be tracked at `uri`; None where all is there."""
    if find_spec("mlflow") is None:
        wanted = "mlflow" if uri == IN_WORKSPACE else "'pulumi-training[mlflow]'"
        return f"tracking needs MLflow, which is not installed: pip install {wanted}"
    if uri == IN_WORKSPACE and find_spec("sqlalchemy") is None:
        return (
            "a store inside the workspace needs the whole of MLflow, and only mlflow-skinny is installed: "
            "pip install mlflow"
        )
    return None
