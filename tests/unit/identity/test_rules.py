"""The versions of the rules: what newer ones leave out of a tree, and that older ones stay as they were."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pulumi_training.identity import rules
from pulumi_training.identity.copy import copy_tree
from pulumi_training.identity.entry import find_entry
from pulumi_training.identity.limits import TreeLimits
from pulumi_training.identity.stat_cache import StatCache
from pulumi_training.identity.tree import read_tree
from pulumi_training.spec.errors import SpecError

Write = Callable[[dict[str, str]], Path]
CLEAN = {"train.py": "1", "lib/a.py": "2", "lib/wandb/w.py": "3", "lib/mlruns/m.py": "4"}
ASIDE = {
    ".train.py.swp": "x",
    "lib/.a.py.swp": "x",
    "train.py~": "x",
    "lib/#a.py#": "x",
    "lib/.#a.py": "x",
    ".idea/workspace.xml": "x",
    "lib/.idea/deep/x.iml": "x",
    "mlruns/0/meta.yaml": "x",
    "wandb/run-1/files/config.yaml": "x",
}


def paths(root: Path, version: int = rules.NEWEST) -> set[str]:
    return {entry.path for entry in read_tree(root, rules=version).entries}


def test_files_of_editors_and_trackers_are_out_of_a_tree(write: Write, tmp_path: Path) -> None:
    root = write(CLEAN)
    clean = read_tree(root)
    for path, content in ASIDE.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
    found = read_tree(root)
    assert {entry.path for entry in found.entries} == set(CLEAN)
    assert found.digest == clean.digest
    assert "mlruns/" in found.aside and "lib/#a.py#" in found.aside
    copy_tree(found, tmp_path / "copy")
    assert {
        str(p.relative_to(tmp_path / "copy")) for p in (tmp_path / "copy").rglob("*") if p.is_file()
    } == set(CLEAN)


def test_the_first_rules_have_them_in_with_the_digest_of_then(write: Write, tmp_path: Path) -> None:
    root = write({"a.py": "1", ".idea/x": "2", "mlruns/m": "3", "b~": "4"})
    first = read_tree(root, rules=rules.FIRST)
    assert {entry.path for entry in first.entries} == {"a.py", ".idea/x", "mlruns/m", "b~"}
    # As 0.1 made it.
    assert first.digest == "sha256:b08536329b1d51fdd47c3e82369db8427856bb7170acea6059d2e26e81d78f4f"
    copy_tree(first, tmp_path / "copy")
    assert (tmp_path / "copy/.idea/x").read_text() == "2" and (tmp_path / "copy/b~").exists()


@pytest.mark.parametrize(
    ("name", "lines", "back"),
    [
        (".amlignore", "!mlruns/", {"mlruns/0/meta.yaml"}),
        (".gitignore", "!mlruns/", {"mlruns/0/meta.yaml"}),
        (".gitignore", "!/wandb\n", {"wandb/run-1/files/config.yaml"}),
        (".gitignore", "!*.swp", {".train.py.swp", "lib/.a.py.swp"}),
        (".gitignore", "!.idea/", {".idea/workspace.xml", "lib/.idea/deep/x.iml"}),
        (".gitignore", "!/.idea/", {".idea/workspace.xml"}),
        (".gitignore", "!lib/#a.py#\n!train.py~", {"lib/#a.py#", "train.py~"}),
        (".gitignore", "!mlruns/\n/mlruns/", set()),
        (".gitignore", "*.log", set()),
        (".gitignore", "!lib/", set()),
    ],
)
def test_an_ignore_file_brings_one_back(write: Write, name: str, lines: str, back: set[str]) -> None:
    root = write({**CLEAN, **ASIDE, name: lines})
    assert paths(root) == set(CLEAN) | back


def test_amlignore_alone_decides_where_both_are(write: Write) -> None:
    assert paths(write({**CLEAN, **ASIDE, ".amlignore": "", ".gitignore": "!mlruns/"})) == set(CLEAN)


def test_what_is_brought_back_has_no_editors_files_in_it(write: Write) -> None:
    root = write(
        {"a.py": "1", "mlruns/m": "2", "mlruns/m~": "3", "mlruns/.m.swp": "4", ".gitignore": "!mlruns/"}
    )
    assert paths(root) == {"a.py", "mlruns/m"}


def test_names_that_only_look_like_them_are_in(write: Write) -> None:
    near = {
        "a.swp.py": "1",
        "~a": "2",
        "#a": "3",
        "a#": "4",
        "idea/x": "5",
        "x.idea": "6",
        "mlruns.py": "7",
        ".env": "8",
    }
    assert paths(write(near)) == set(near)


def test_a_lock_that_an_editor_left_as_a_dangling_link_refuses_nothing(write: Write) -> None:
    root = write({"a.py": "1"})
    (root / ".#a.py").symlink_to("me@host.1234:1700000000")
    assert paths(root) == {"a.py"}
    with pytest.raises(SpecError, match="leads nowhere"):
        read_tree(root, rules=rules.FIRST)


def test_they_count_towards_no_limit(write: Write) -> None:
    root = write({"a.py": "1", **{f"mlruns/{n}": "x" * 1000 for n in range(20)}})
    assert read_tree(root, limits=TreeLimits(max_bytes=1000, max_files=3)).size == 1
    with pytest.raises(SpecError, match="mlruns"):
        read_tree(root, limits=TreeLimits(max_bytes=1000, max_files=3), rules=rules.FIRST)


def test_a_cache_serves_both_versions_in_turns(write: Write, tmp_path: Path) -> None:
    cache, root = StatCache(tmp_path / "cache"), write({**CLEAN, **ASIDE})
    first, second = (read_tree(root, rules=version).digest for version in (1, 2))
    for _ in range(3):
        assert read_tree(root, cache=cache, rules=1).digest == first
        assert read_tree(root, cache=cache, rules=2).digest == second
    (root / ".idea/workspace.xml").write_text("other")
    assert read_tree(root, cache=cache, rules=1).digest != first
    assert read_tree(root, cache=cache, rules=2).digest == second


def test_a_script_in_such_a_folder_is_refused_with_the_line_to_write(write: Write) -> None:
    root = write({"wandb/train.py": "1"})
    with pytest.raises(SpecError, match=r"`!wandb/` in \.amlignore"):
        find_entry(root, "wandb/train.py", read_tree(root))
    (root / ".amlignore").write_text("!wandb/")
    assert find_entry(root, "wandb/train.py", read_tree(root)) == "wandb/train.py"


@pytest.mark.parametrize(
    ("said", "version"), [(None, 1), (1, 1), (2.0, 2), (9, 2), (0, 1), ("2", 1), (True, 1)]
)
def test_a_version_that_is_not_known_is_read_as_the_nearest(said: object, version: int) -> None:
    assert rules.known(said) == version
