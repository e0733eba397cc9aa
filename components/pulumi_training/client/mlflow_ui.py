"""MLflow's own pages over the store in a workspace's folder: a server on loopback, for as long as it is wanted."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from importlib.util import find_spec
from types import TracebackType

from ..record.store import Store
from ..spec.errors import PermanentError, TrainingError
from ..spec.outcome import Reason
from ..tracking.place import AS_TRAINING, Place, place_in
from .places import places

_START_SECONDS = 120.0
_END_SECONDS = 10.0


class MlflowUI:
    """A server of MLflow's pages. Only this machine reaches it; it reads and writes the workspace's own store."""

    def __init__(self, place: Place, port: int | None = None) -> None:
        """Takes a place with a folder; `port` is a free one by default.

        Raises:
            TrainingError: MLflow is not installed, or only mlflow-skinny, which has no pages.
        """
        if place.folder is None:
            raise PermanentError(
                Reason.TARGET_UNAVAILABLE, f"{place.uri} shows its runs itself: open that address"
            )
        _require_pages()
        self._place = place
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        """The address of the pages, once they answer.

        Raises:
            TrainingError: the port is taken, or the server did not start.
        """
        port = _free_port(self._port)
        url = f"http://127.0.0.1:{port}"
        line = [
            *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
            *("--backend-store-uri", self._place.uri, "--workers", "1"),
            *("--default-artifact-root", str(self._place.artifacts)),
        ]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
        self._process = subprocess.Popen(
            line,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
            cwd=self._place.folder,
            start_new_session=True,
        )
        deadline = time.monotonic() + _START_SECONDS
        while not _answers(url):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise TrainingError(f"MLflow's server did not start; try it by hand: {' '.join(line)}")
            time.sleep(0.1)
        return f"{url}/#/experiments?{AS_TRAINING}"

    def wait(self) -> None:
        """Returns when the server has ended."""
        if self._process is not None:
            self._process.wait()

    def stop(self) -> None:
        """Ends the server with its workers."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def __enter__(self) -> MlflowUI:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def tracked_place(store: str | None, workspace: str | None) -> Place:
    """The MLflow store of one workspace: of `store`, of `workspace`, or of the one that was used last and has one.

    Raises:
        TrainingError: there is none.
    """
    looked = places(store, workspace).found
    for place in looked:
        found = place_in(place.store)
        if found is not None and found.folder is not None and (found.folder / "mlflow.db").exists():
            return found
    raise TrainingError(
        f"no tracked runs in {_names([place.store for place in looked])}; declare the workspace with "
        "tracking=True, or open the page of the tracking server it names"
    )


def _names(stores: list[Store]) -> str:
    return ", ".join(dict.fromkeys(store.display for store in stores)) or "any workspace seen on this machine"


def _require_pages() -> None:
    if find_spec("mlflow") is None:
        raise TrainingError("MLflow is not installed: pip install mlflow")
    if find_spec("flask") is None or find_spec("sqlalchemy") is None:
        raise TrainingError(
            "mlflow-skinny has no pages to show; install the whole of MLflow: pip install mlflow"
        )


def _free_port(wanted: int | None) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted or 0))
        except OSError as error:
            raise TrainingError(
                f"port {wanted} is taken by another program; name another one, or none for a free one"
            ) from error
        return int(probe.getsockname()[1])


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
