"""Which tests really spoke to a target's own server: test, server, its version, and the number of requests.

Each target has a marker of its name. A test that has it, or whose fixture says so, is counted where requests went to the
server from the test's own process; what it started may have sent more. Lines of JSON go to the file that TRAINING_SPOKEN
names; `python tests/common/spoken.py FILE` says how many tests each target has.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = os.environ.get("TRAINING_SPOKEN", "")
"""Kept from the start: tests take such variables away."""
_REQUEST = re.compile(rb"[A-Z]+ /")
_listeners: list[Callable[[Any], None]] = []


@dataclass(frozen=True)
class Server:
    """A target's server: how a connection to it is known from others, and how it says its version."""

    target: str
    is_reached_by: Callable[[Any], bool]
    version: Callable[[], str]


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "http.client.send" and _listeners:
        connection, data = arguments
        if isinstance(data, bytes) and _REQUEST.match(data):
            for listener in list(_listeners):
                listener(connection)


sys.addaudithook(_hear)


@contextmanager
def counted(test: str, server: Server, file: str = FILE) -> Iterator[None]:
    """Counts the requests to the server while a test runs; writes a line where there were any."""
    requests = 0

    def listener(connection: Any) -> None:
        nonlocal requests
        requests += server.is_reached_by(connection)

    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
        if requests and file:
            line = {"test": test, "target": server.target, "version": server.version(), "requests": requests}
            _append(Path(file), json.dumps(line))


def _append(file: Path, line: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as stream:  # one write: workers share the file
        stream.write(line + "\n")


def by_target(file: Path) -> dict[str, set[str]]:
    """The tests of each target that spoke to its server."""
    found: dict[str, set[str]] = {}
    if file.exists():
        for line in file.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            found.setdefault(entry["target"], set()).add(entry["test"])
    return found


def main(file: Path) -> None:
    """Says how many tests spoke to the server of each target, and to which versions."""
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()] if file.exists() else []
    requests: Counter[str] = Counter()
    for line in lines:
        requests[line["target"]] += line["requests"]
    for target, tests in sorted(by_target(file).items()):
        versions = ", ".join(sorted({line["version"] for line in lines if line["target"] == target}))
        print(f"{target}: {len(tests)} tests spoke to its server ({versions}), {requests[target]} requests")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
