"""What a TensorBoard serves, asked for as its own page asks."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any

SECONDS = 60


def runs(url: str) -> list[str]:
    """The names of its runs."""
    found: list[str] = _get(f"{url}data/runs")
    return found


def values(url: str, run: str, tag: str) -> list[float]:
    """A curve's values; empty where it does not know the curve yet."""
    words = urllib.parse.urlencode({"run": run, "tag": tag})
    try:
        return [float(point[2]) for point in _get(f"{url}data/plugin/scalars/scalars?{words}")]
    except urllib.error.HTTPError:
        return []


def eventually(question: Callable[[], Any], what: str) -> Any:
    """The first true answer."""
    deadline = time.monotonic() + SECONDS
    while not (answer := question()):
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.05)
    return answer


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=SECONDS) as answer:
        return json.load(answer)
