"""Where the entry script is, and what is said when it is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from pulumi_training.identity.entry import find_entry
from pulumi_training.identity.tree import read_tree
from pulumi_training.spec.errors import SpecError


@pytest.fixture
def root(write) -> Path:
    return write(
        {
            "train.py": "",
            "pkg/fit.py": "",
            "old.py": "",
            "outputs/x.py": "",
            "sub/b.py": "",
            ".amlignore": "old.py\nsub/",
        }
    )


@pytest.mark.parametrize(
    ("script", "path"),
    [("train.py", "train.py"), ("./pkg/../pkg/fit.py", "pkg/fit.py"), ("pkg//fit.py", "pkg/fit.py")],
)
def test_a_script_in_the_tree_is_found(root: Path, script: str, path: str) -> None:
    assert find_entry(root, script, read_tree(root)) == path


def test_an_absolute_path_into_the_tree_is_refused_for_the_relative_one(root: Path, tmp_path: Path) -> None:
    """It would run the file there, and not the run's own copy of it."""
    (tmp_path / "link").symlink_to(root)
    with pytest.raises(SpecError, match=r"is an absolute path, .* write pkg/fit\.py"):
        find_entry(tmp_path / "link", str(tmp_path / "link/pkg/fit.py"), read_tree(root))


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("trian.py", "Did you mean train.py?"),
        ("fit.py", "Did you mean pkg/fit.py?"),
        ("zzzzzzzzzzzzzz", "It has pkg/fit.py, train.py."),
        ("../other/train.py", "is outside the source directory"),
        ("/etc/hostname", "is outside the source directory"),
        ("old.py", "is left out of the source tree by .amlignore"),
        ("sub/b.py", "is left out of the source tree by .amlignore"),
        ("outputs/x.py", "outputs is always left out"),
        ("pkg", "is a folder"),
        (".", "is a folder"),
        ("  ", "is empty"),
    ],
)
def test_a_script_that_cannot_run_is_refused_with_a_way_out(root: Path, script: str, words: str) -> None:
    with pytest.raises(SpecError) as caught:
        find_entry(root, script, read_tree(root))
    assert caught.value.path == "entryScript"
    assert words in caught.value.message


def test_a_script_that_appeared_after_the_scan_is_not_called_missing(root: Path, write) -> None:
    tree = read_tree(root)
    write({"late.py": ""})
    with pytest.raises(SpecError, match="appeared only now"):
        find_entry(root, "late.py", tree)
