"""A real MLflow tracking server on loopback that can be stopped and started again over the same data.

One that asks for a login is MLflow's own `basic-auth`; one that asks for a token stands behind `TokenGate`, as servers
do behind a company's proxy.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

SECONDS = 120
"""How long the server may take to start on a busy machine."""
LOGIN = ("ann", "correct-horse-battery")
TOKEN = "a-token-of-these-tests"


class MlflowServer:
    """`mlflow server` over a folder, always at the same address; `login` is the user and the password it asks for.

    `host` is the address it listens at: that of a bridge lets containers in.
    """

    def __init__(
        self, folder: Path, login: tuple[str, str] | None = None, *, host: str = "127.0.0.1"
    ) -> None:
        self._folder = folder
        self._login = login
        self._host = host
        with socket.socket() as probe:
            probe.bind((host, 0))
            self._port = probe.getsockname()[1]
        self.uri = f"http://{host}:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._folder.mkdir(exist_ok=True)
        line = [
            *(sys.executable, "-m", "mlflow", "server", "--host", self._host, "--port", str(self._port)),
            *("--workers", "1", "--backend-store-uri", f"sqlite:///{self._folder / 'server.db'}"),
            *("--artifacts-destination", str(self._folder / "artifacts")),
            *(("--app-name", "basic-auth") if self._login else ()),
        ]
        # What a test sets for the client is not for the server.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                line,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=self._folder,
                env={**environment, **self._lock()},
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

    def _lock(self) -> dict[str, str]:
        """What makes the server ask for the login."""
        if self._login is None:
            return {}
        user, password = self._login
        settings = self._folder / "auth.ini"
        settings.write_text(
            f"[mlflow]\ndefault_permission = READ\ndatabase_uri = sqlite:///{self._folder / 'users.db'}\n"
            f"admin_username = {user}\nadmin_password = {password}\n"
            "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
        )
        return {"MLFLOW_AUTH_CONFIG_PATH": str(settings), "MLFLOW_FLASK_SERVER_SECRET_KEY": "of these tests"}

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


class TokenGate:
    """Lets through to a server what carries a token, and answers 401 to anything else."""

    def __init__(self, server: MlflowServer, token: str) -> None:
        class Handler(BaseHTTPRequestHandler):
            def _pass(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.headers.get("Authorization") != f"Bearer {token}":
                    return self._answer(401, b"who are you?", "text/plain")
                kept = {n: v for n, v in self.headers.items() if n.lower() in ("content-type", "accept")}
                request = urllib.request.Request(
                    server.uri + self.path, body or None, kept, method=self.command
                )
                try:
                    with urllib.request.urlopen(request, timeout=60) as answer:
                        self._answer(answer.status, answer.read(), answer.headers["Content-Type"])
                except urllib.error.HTTPError as error:
                    self._answer(error.code, error.read(), error.headers["Content-Type"])

            def _answer(self, status: int, body: bytes, kind: str) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind or "text/plain")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pass

            def log_message(self, *_: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.uri = f"http://127.0.0.1:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()
