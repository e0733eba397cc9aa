"""What is left out of a source tree."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ignore_patterns import FILES, PATTERNS

from pulumi_training.identity.ignore import load_rules
from pulumi_training.identity.stat_cache import StatCache
from pulumi_training.identity.tree import read_tree


def paths(root: Path, cache: StatCache | None = None) -> list[str]:
    return [entry.path for entry in read_tree(root, cache=cache).entries]


def test_amlignore_wins_over_gitignore_and_they_are_never_merged(write) -> None:
    root = write({"a.txt": "", "b.txt": "", ".gitignore": "a.txt\n"})
    assert paths(root) == ["b.txt"]
    write({".amlignore": "b.txt\n"})
    assert paths(root) == ["a.txt"]
    write({".amlignore": "# nothing is left out\n"})
    assert paths(root) == ["a.txt", "b.txt"]


def test_only_the_ignore_file_in_the_root_is_read_and_a_deeper_one_is_a_file(write) -> None:
    root = write({"pkg/.gitignore": "*\n", "pkg/a.py": ""})
    write({"../.gitignore": "*\n"})
    assert paths(root) == ["pkg/.gitignore", "pkg/a.py"]


def test_a_comment_in_the_ignore_file_changes_nothing(write) -> None:
    root = write({"a.py": "", ".amlignore": "*.log\n"})
    digest = read_tree(root).digest
    write({".amlignore": "# logs\n*.log\n"})
    assert read_tree(root).digest == digest


def test_what_is_always_out_stays_out_whatever_the_patterns_say(write) -> None:
    out = [
        ".git/config", "sub/.git", "__pycache__/a.pyc", "sub/__pycache__/a.pyc", ".venv/x", "sub/venv/x",
        "env/pyvenv.cfg", "env/lib/x.py", "outputs/model.bin", "logs/a.log", ".training/x", ".pulumi/x",
        "node_modules/x.js",
    ]  # fmt: skip
    inside = ["sub/outputs/kept.txt", "sub/logs/kept.txt", "train.py"]
    root = write(dict.fromkeys(out + inside, "") | {".amlignore": "!*\n!outputs/\n!.git/\n"})
    assert paths(root) == sorted(inside)


def test_an_ignored_folder_is_not_entered(write) -> None:
    root = write({"data/keep.csv": "", "data/x.csv": "", "a.py": ""})
    write({".amlignore": "data/\n!data/keep.csv\n"})
    assert paths(root) == ["a.py"]
    for pattern in ("data/*", "data/**", "data/** "):
        write({".amlignore": f"{pattern}\n!data/keep.csv\n"})
        assert paths(root) == ["a.py", "data/keep.csv"]


def test_a_pattern_that_git_passes_over_is_passed_over(write) -> None:
    root = write({"a.py": "", "b.log": "", ".gitignore": "!\n\\\n*.log\r\n"})
    assert paths(root) == ["a.py"]


def test_remembered_decisions_hold_only_for_the_same_rules(write, cache: StatCache) -> None:
    root = write({"a.log": "", "d/b.log": "", "c.py": "", ".amlignore": "*.log\n"})
    assert paths(root, cache) == paths(root, cache) == ["c.py"]
    snapshot = cache.load(str(root.resolve()))
    assert snapshot is not None
    assert snapshot.left_out == {"a.log", "d/b.log"}
    assert snapshot.folders == {"d/"}
    write({".amlignore": "a.log\n"})
    assert paths(root, cache) == ["c.py", "d/b.log"]
    write({".amlignore": "d/\n"})
    assert paths(root, cache) == ["a.log", "c.py"]


def test_a_remembered_tree_asks_no_pattern(write, cache: StatCache, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write({"a.log": "", "d/b.py": "", ".amlignore": "*.log\n"})
    paths(root, cache)

    def refuse(self: object, path: str) -> bool:
        raise AssertionError(f"{path} was asked for")

    monkeypatch.setattr("pulumi_training.identity.ignore.IgnoreRules.leaves_out", refuse)
    assert paths(root, cache) == ["d/b.py"]


@settings(max_examples=40, deadline=None)
@given(st.lists(PATTERNS, max_size=5), st.sampled_from([*FILES, "d/", "d/e/", "x y/"]))
def test_the_quick_look_never_changes_the_answer(patterns: list[str], path: str) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        Path(scratch, ".gitignore").write_text("\n".join(patterns) + "\n")
        rules = load_rules(scratch)
    if rules.spec is not None:
        assert rules.leaves_out(path) == rules.spec.match_file(path)
