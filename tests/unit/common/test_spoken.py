"""A test counts as a target's where it spoke to the target's server."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from spoken import Server, by_target, counted, main


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def ask(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/version")
    connection.getresponse().read()
    connection.close()


def server_at(port: int) -> Server:
    return Server("cloud", lambda connection: connection.port == port, lambda: "1.2")


def test_requests_to_the_server_are_counted(
    port: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "kept" / "spoken.jsonl"
    with counted("test_one", server_at(port), str(file)):
        ask(port)
        ask(port)
    ask(port)
    assert json.loads(file.read_text()) == {
        "test": "test_one", "target": "cloud", "version": "1.2", "requests": 2,
    }  # fmt: skip
    assert by_target(file) == {"cloud": {"test_one"}}
    main(file)
    assert capsys.readouterr().out == "cloud: 1 tests spoke to its server (1.2), 2 requests\n"


def test_a_test_that_spoke_to_somebody_else_is_not_counted(port: int, tmp_path: Path) -> None:
    file = tmp_path / "spoken.jsonl"
    with counted("test_one", server_at(port + 1), str(file)):
        ask(port)
    assert by_target(file) == {}
