"""Patterns of ignore files, beside git itself."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from ignore_patterns import FILES, PATTERNS

from pulumi_training.identity.stat_cache import StatCache
from pulumi_training.identity.tree import read_tree


def paths(root: Path, cache: StatCache | None = None) -> list[str]:
    return [entry.path for entry in read_tree(root, cache=cache).entries]


@settings(max_examples=20, deadline=None)
@given(patterns=st.lists(PATTERNS, min_size=1, max_size=4))
def test_patterns_mean_what_git_means(patterns: list[str]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        for path in FILES:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text("")
        (root / ".gitignore").write_text("\n".join(patterns) + "\n")
        subprocess.run(["git", "init", "-q"], cwd=root, check=True)
        listing = subprocess.run(
            ["git", "ls-files", "-z", "--others", "--exclude-from=.gitignore"],
            cwd=root, check=True, capture_output=True, text=True,
        )  # fmt: skip
        expected = sorted(path for path in listing.stdout.split("\0") if path and path != ".gitignore")
        assert paths(root) == expected
