"""Parts that take too long for CI: run twice, resumed, and entered into the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import slow
from slow import PARTS, ROOT, Result, counts, line_of, run_part


def test_every_file_of_a_part_is_there() -> None:
    for groups in PARTS.values():
        for files in groups.values():
            assert [name for name in files if not (ROOT / name).exists()] == []


def test_each_group_runs_twice_and_an_interrupted_part_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slow, "PARTS", {"local": {"one": ("a.py",), "two": ("b.py",)}})
    ran: list[str] = []

    def run(part: str, files: Sequence[str]) -> Result:
        if len(ran) == 3:
            raise KeyboardInterrupt
        ran.append(files[0])
        return Result(2, 2, 5)

    with pytest.raises(KeyboardInterrupt):
        run_part("local", tmp_path, run)
    assert ran == ["a.py", "b.py", "a.py"]
    ran.clear()
    results = run_part("local", tmp_path, run)
    assert ran == ["b.py"]
    assert line_of("0123456789abcdef", "local", results) == "| 0123456789ab | local | 8/8 | 20 |"


def test_what_did_not_pass_runs_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow, "PARTS", {"local": {"one": ("a.py",)}})
    answers = [Result(1, 2, 1), Result(2, 2, 1), Result(2, 2, 1)]
    first = run_part("local", tmp_path, lambda part, files: answers.pop(0))
    assert [result.is_whole for result in first] == [False, True]
    assert all(result.is_whole for result in run_part("local", tmp_path, lambda part, files: answers.pop(0)))
    assert answers == []


def test_what_was_skipped_did_not_pass(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text('<testsuites><testsuite tests="5" failures="1" errors="0" skipped="1"/></testsuites>')
    assert counts(report) == (3, 5)
    assert not Result(0, 0, 1).is_whole, "nothing ran"
