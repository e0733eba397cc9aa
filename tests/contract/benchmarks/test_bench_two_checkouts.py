"""Two checkouts are measured in turns: here one with itself, of which nothing is left."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[3]


@pytest.mark.skipif(
    not (CHECKOUT / ".venv" / ".dev").exists(), reason="the checkout has no virtual environment of its own"
)
def test_a_checkout_is_compared_with_itself(tmp_path: Path) -> None:
    document = tmp_path / "compared.json"
    words = ["--against", str(CHECKOUT), "--pairs", "2", "--only", "plugin_start", "--json", str(document)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *words],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode in (0, 1), done.stderr  # 1: one was slower, which says nothing here
    found = json.loads(document.read_text())
    assert [each["name"] for each in found] == [
        "plugin start → port printed",
        "plugin start → first Check answered",
    ]
    assert all(len(each["ours"]) == len(each["theirs"]) == 2 and not each["trouble"] for each in found)
    assert "median of ratios" in done.stdout
