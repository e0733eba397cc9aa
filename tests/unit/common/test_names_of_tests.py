"""Files of tests have names of their own: pytest imports them by name, from whatever folder."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

TESTS = Path(__file__).resolve().parents[2]


def test_no_two_files_of_tests_have_one_name() -> None:
    folders = [path for path in TESTS.rglob("test_*.py") if "fixtures" not in path.relative_to(TESTS).parts]
    names = Counter(path.name for path in folders)
    assert [name for name, number in names.items() if number > 1] == []
