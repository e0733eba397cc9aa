"""A unit test starts no process: it fails where one does, whoever started it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

_STARTS = frozenset(("subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "os.exec"))
_seen: list[str] = []


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if event in _STARTS:
        _seen.append(f"{event} {arguments[1] if event == 'subprocess.Popen' else arguments}")


sys.addaudithook(_hear)


@pytest.fixture(autouse=True)
def _no_process() -> Iterator[None]:
    _seen.clear()
    yield
    assert not _seen, f"a unit test starts no process; one that does belongs into tests/contract: {_seen}"
