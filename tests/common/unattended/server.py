"""The service's process: `python server.py FOLDER`, with its credential in the environment; the address is its first line.

POST /<verb> with a JSON object; `X-Name` and a tar archive for `code`. What is asked is counted.
"""

from __future__ import annotations

import base64
import io
import json
import os
import stat
import sys
import tarfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from unattended.attempts import Attempts, Rules
from unattended.names import CREDENTIAL

_PIECE = 256 << 10
_GROWING = ("logs/", "metrics/")
_WHOLE = ("ranks/",)


class Service:
    """Answers verbs: every public method that takes and gives a JSON object is one."""

    def __init__(self, root: Path) -> None:
        self.rules = Rules()
        self.attempts = Attempts(root, self.rules)
        self.asked: Counter[str] = Counter()
        self.asked_for: list[int] = []

    def submit(self, order: dict[str, Any]) -> dict[str, Any]:
        self.attempts.submit(order)
        time.sleep(self.rules.confirms_after)
        return {}

    def observe(self, order: dict[str, Any]) -> dict[str, Any]:
        self.asked_for.append(len(order["names"]))
        return {name: self.attempts.state(name) for name in order["names"]}

    def mirror(self, order: dict[str, Any]) -> dict[str, Any]:
        """What is new of an attempt's files, so many bytes at most; `have` has the size of each by its path."""
        folder = self.attempts.folder(order["name"])
        has_ended = (self.attempts.state(order["name"]) or {}).get("status") in ("Completed", "Failed")
        pieces: list[dict[str, Any]] = []
        room, is_all = _PIECE, True
        for path, found in _files(folder):
            name = path.relative_to(folder).as_posix()
            held = self.rules.holds_logs_back
            if held and time.time() - found.st_mtime < held and not has_ended:
                is_all = False
                continue
            start = int(order["have"].get(name, 0)) if name.startswith(_GROWING) else 0
            size = found.st_size
            if size <= start or room <= 0:
                is_all = is_all and size <= start
                continue
            with path.open("rb") as stream:
                stream.seek(start)
                data = stream.read(room if name.startswith(_GROWING) else -1)
            room -= len(data)
            is_all = is_all and start + len(data) == size
            pieces.append({"path": name, "start": start, "data": base64.b64encode(data).decode()})
        return {"pieces": pieces, "is_all": is_all}

    def cancel(self, order: dict[str, Any]) -> dict[str, Any]:
        self.attempts.cancel(order["name"], order["grace"])
        return {}

    def amend(self, order: dict[str, Any]) -> dict[str, Any]:
        self.attempts.amend(order["name"], order["limits"])
        return {}

    def is_over(self, order: dict[str, Any]) -> dict[str, Any]:
        return {"is_over": self.attempts.is_over(order["name"])}

    def remove(self, order: dict[str, Any]) -> dict[str, Any]:
        self.attempts.remove(order["name"])
        return {}

    def all(self, order: dict[str, Any]) -> dict[str, Any]:
        return {"attempts": self.attempts.all()}

    def preempt(self, order: dict[str, Any]) -> dict[str, Any]:
        self.attempts.preempt(order["name"])
        return {}

    def finish_pretended(self, order: dict[str, Any]) -> dict[str, Any]:
        """Ends what only pretends; a test's own verb."""
        return {"ended": self.attempts.finish_pretended()}

    def lose(self, order: dict[str, Any]) -> dict[str, Any]:
        self.attempts.lose(order["name"])
        return {}

    def rule(self, order: dict[str, Any]) -> dict[str, Any]:
        """Changes how the service behaves; a test's own verb."""
        assert order.keys() <= {field.name for field in fields(Rules)}
        for name, value in order.items():
            setattr(self.rules, name, value)
        return {}

    def counts(self, order: dict[str, Any]) -> dict[str, Any]:
        """What was asked so far, and for how many attempts each time; a test's own verb."""
        return {"asked": dict(self.asked), "asked_for": self.asked_for}

    def bring(self, name: str, archive: bytes) -> None:
        """Takes the code of an attempt that is not there yet."""
        if self.attempts.state(name) is None:
            code = self.attempts.folder(name) / "code"
            code.mkdir(parents=True, exist_ok=True)
            with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
                tar.extractall(code, filter="fully_trusted")

    def collect(self, name: str, own: list[str]) -> bytes:
        """An archive of all that an attempt left; `own` are folders beside the usual ones."""
        folder = self.attempts.folder(name)
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for part in ("outputs", "logs", "ranks", "metrics", *own):
                if (folder / part).exists():
                    tar.add(folder / part, part)
        return buffer.getvalue()


def _files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """What is brought of an attempt while it lives; what its ranks take away meanwhile is none."""
    for part in (*_GROWING, *_WHOLE):
        for path in sorted((folder / part).rglob("*")):
            try:
                found = path.lstat()
            except FileNotFoundError:
                continue
            if stat.S_ISREG(found.st_mode) and not path.name.startswith("."):
                yield path, found


_TESTS = frozenset(("rule", "counts", "preempt", "lose", "finish_pretended"))


def serve(root: Path, line: Any) -> None:
    """Serves until the process is ended."""
    service, token = Service(root), os.environ[CREDENTIAL]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            verb = self.path.strip("/")
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if service.rules.is_silent and verb not in _TESTS:
                self.close_connection = True
                return
            if self.headers.get("Authorization") != f"Bearer {token}":
                self._answer(401, b"who are you?")
                return
            if verb not in _TESTS:
                service.asked[verb] += 1
            name = self.headers.get("X-Name", "")
            try:
                if verb == "code":
                    service.bring(name, body)
                    self._answer(200, b"{}")
                elif verb == "collect":
                    self._answer(200, service.collect(name, json.loads(body)["own"]))
                else:
                    self._answer(200, json.dumps(getattr(service, verb)(json.loads(body))).encode())
            except Exception as error:
                self._answer(500, f"{type(error).__name__}: {error}".encode())

        def _answer(self, code: int, body: bytes) -> None:
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("UNATTENDED_PORT") or 0)), Handler)
    server.daemon_threads = True
    print(f"http://127.0.0.1:{server.server_address[1]}", file=line, flush=True)
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    server.serve_forever()


def _end_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(0)


if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.stdout)
