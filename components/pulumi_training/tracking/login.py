"""Which credentials MLflow finds in this process's environment, where trackers of several runs share the process.

MLflow reads them there at each request. Steps with the same credentials go side by side, others wait for their turn.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from ..spec.tracking_variables import CREDENTIALS

_turn = threading.Condition()
_inside = 0
_given: dict[str, str] = {}
_own: dict[str, str | None] = {}


@contextmanager
def logged_in(secrets: Mapping[str, str]) -> Iterator[None]:
    """Lets MLflow log in with what a run's secrets have, in place of this process's own."""
    global _inside
    wanted = {name: secrets[name] for name in CREDENTIALS if secrets.get(name)}
    with _turn:
        _turn.wait_for(lambda: not _inside or wanted == _given)
        if not _inside:
            _use(wanted)
        _inside += 1
    try:
        yield
    finally:
        with _turn:
            _inside -= 1
            if not _inside:
                _restore()
                _turn.notify_all()


def own_credentials() -> dict[str, str]:
    """Those of this process's environment, whoever has his turn now."""
    with _turn:
        found = {name: os.environ.get(name) for name in CREDENTIALS} | _own
    return {name: value for name, value in found.items() if value}


def _use(wanted: dict[str, str]) -> None:
    _given.update(wanted)
    for name, value in wanted.items():
        _own[name] = os.environ.get(name)
        os.environ[name] = value


def _restore() -> None:
    for name, value in _own.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    _own.clear()
    _given.clear()
