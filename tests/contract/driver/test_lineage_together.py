"""Git is asked once for runs that begin together from one source."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pulumi_training.driver.lineage import git_state


def test_runs_that_begin_together_ask_git_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(git_state, [source] * 100))
    assert found[0] is not None and not found[0]["dirty"] and found.count(found[0]) == 100
    assert len(asked.read_text().splitlines()) <= 6, (
        "three questions, and three more where the machine is slow"
    )
