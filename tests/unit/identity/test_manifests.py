"""Manifests of trees seen."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pulumi_training.identity import manifests
from pulumi_training.identity.tree import FileEntry, Tree, read_tree


def test_a_tree_seen_is_recalled(write, tmp_path: Path) -> None:
    tree = read_tree(write({"a.py": "1", "d/é.py": "2"}))
    manifests.remember(tree, folder=tmp_path / "m")
    manifests.remember(tree, folder=tmp_path / "m")
    assert manifests.recall(tree.digest, folder=tmp_path / "m") == tree.manifest()


def test_a_name_that_is_not_utf8_comes_back(tmp_path: Path) -> None:
    tree = Tree(tmp_path, (FileEntry("caf\udce9", 1, False, "ab"),), "sha256:1")
    manifests.remember(tree, folder=tmp_path)
    assert manifests.recall("sha256:1", folder=tmp_path) == {"caf\udce9": "ab"}


@pytest.mark.parametrize("content", [b"", b"[1]", b'{"a": 1}', b"\xff"])
def test_what_is_damaged_or_was_never_seen_is_none(tmp_path: Path, content: bytes) -> None:
    assert manifests.recall("sha256:0", folder=tmp_path) is None
    (tmp_path / "sha256-0.json").write_bytes(content)
    assert manifests.recall("sha256:0", folder=tmp_path) is None


def test_a_digest_cannot_name_a_file_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text('{"a": "b"}')
    assert manifests.recall("../secret", folder=tmp_path / "m") is None


def test_only_the_most_recently_used_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifests, "KEPT", 3)
    for number in range(5):
        manifests.remember(Tree(tmp_path, (), f"sha256:{number}"), folder=tmp_path)
        os.utime(tmp_path / f"sha256-{number}.json", (number + 1, number + 1))
    manifests.remember(Tree(tmp_path, (), "sha256:2"), folder=tmp_path)
    manifests.remember(Tree(tmp_path, (), "sha256:9"), folder=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "sha256-2.json",
        "sha256-4.json",
        "sha256-9.json",
    ]


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    manifests.remember(Tree(tmp_path, (), "sha256:1"), folder=tmp_path / "file")
    assert manifests.recall("sha256:1", folder=tmp_path / "file") is None
