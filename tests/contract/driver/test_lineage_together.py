"""Runs that begin together from one source share git's answer."""

from __future__ import annotations

import os
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pulumi_training.driver.lineage import git_state


def test_runs_that_begin_together_share_an_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, tools = tmp_path / "src", tmp_path / "tools"
    source.mkdir()
    tools.mkdir()
    (source / "train.py").write_text("pass\n")
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    for words in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "first"]):
        subprocess.run(["git", *words], cwd=source, check=True)
    asked = tmp_path / "asked"
    wrapper = tools / "git"
    wrapper.write_text(f'#!/bin/sh\necho "$@" >> {asked}\nPATH={os.environ["PATH"]!r} exec git "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    together = threading.Barrier(16)

    def begin(_: int) -> dict[str, Any] | None:
        together.wait(60)
        return git_state(source)

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(begin, range(16)))
    assert found[0] is not None and not found[0]["dirty"] and found.count(found[0]) == 16
    questions = len(asked.read_text().splitlines())
    assert questions <= 24, "three for the first of them, and three for those that came while it asked"
