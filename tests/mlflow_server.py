"""A real MLflow tracking server on loopback that can be stopped and started again over the same data."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

SECONDS = 120
"""How long the server may take to start on a busy machine."""


class MlflowServer:
    """`mlflow server` over a folder, always at the same address."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._folder.mkdir(exist_ok=True)
        line = [
            *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self._port)),
            *("--workers", "1", "--backend-store-uri", f"sqlite:///{self._folder / 'server.db'}"),
            *("--artifacts-destination", str(self._folder / "artifacts")),
        ]
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                line,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=self._folder,
            )
        deadline = time.monotonic() + SECONDS
        while not self._answers():
            said = (self._folder / "server.log").read_text()[-2000:]
            assert self._process.poll() is None and time.monotonic() < deadline, said
            time.sleep(0.1)

    def stop(self) -> None:
        if self._process is None:
            return
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False
