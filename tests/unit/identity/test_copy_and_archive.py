"""The verified copy and the archive of a source tree."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest
import zstandard

from pulumi_training.identity import copy as copy_module
from pulumi_training.identity.archive import archive, extract
from pulumi_training.identity.copy import copy_tree
from pulumi_training.identity.tree import read_tree
from pulumi_training.spec.errors import PermanentError
from pulumi_training.spec.outcome import Reason


def test_a_copy_has_the_same_digest(write, tmp_path: Path) -> None:
    root = write(
        {"train.py": "x", "pkg/deep/er/a.py": "y", "run.sh": "z", "skip.log": "", ".amlignore": "*.log"}
    )
    (root / "run.sh").chmod(0o755)
    (root / "link.py").symlink_to("train.py")
    tree = read_tree(root)
    copy_tree(tree, tmp_path / "copy")
    assert read_tree(tmp_path / "copy").digest == tree.digest
    assert not (tmp_path / "copy/link.py").is_symlink()
    assert not (tmp_path / "copy/skip.log").exists()


def test_each_change_since_the_digest_is_named_and_no_copy_is_left(write, tmp_path: Path) -> None:
    root = write({"changed.py": "1", "gone.py": "2", "bit.sh": "3", "same.py": "4", "d/e/gone_too.py": ""})
    tree = read_tree(root)
    write({"changed.py": "9", "new.py": ""})
    (root / "gone.py").unlink()
    (root / "d/e/gone_too.py").unlink()
    (root / "d/e").rmdir()
    (root / "bit.sh").chmod(0o755)
    with pytest.raises(PermanentError) as caught:
        copy_tree(tree, tmp_path / "copy")
    assert caught.value.reason is Reason.SOURCE_CHANGED
    assert (
        "bit.sh changed its executable bit, changed.py changed, d/e/gone_too.py is gone, "
        "gone.py is gone, new.py appeared." in caught.value.message
    )
    assert not (tmp_path / "copy").exists()


def test_at_most_five_changes_are_named(write, tmp_path: Path) -> None:
    root = write({f"{n}.py": "1" for n in range(8)})
    tree = read_tree(root)
    write({f"{n}.py": "2" for n in range(8)})
    with pytest.raises(PermanentError, match=r"4\.py changed and 3 more"):
        copy_tree(tree, tmp_path / "copy")


def test_a_change_of_the_same_size_while_copying_is_seen(
    write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write({"a.py": "1", "b.py": "2"})
    tree = read_tree(root)
    copy_file = copy_module._copy_file

    def meddle(source: str, destination: str, entry: object) -> str:
        (root / "b.py").write_text("9")
        return copy_file(source, destination, entry)

    monkeypatch.setattr(copy_module, "_copy_file", meddle)
    with pytest.raises(PermanentError, match=r"b\.py changed"):
        copy_tree(tree, tmp_path / "copy")


def test_a_file_that_vanishes_after_it_was_copied_is_seen(
    write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write({"a.py": "1", "b.py": "2"})
    tree = read_tree(root)
    copy_files = copy_module._copy_files

    def meddle(*arguments: object) -> list[tuple[str, str]]:
        found = copy_files(*arguments)
        (root / "a.py").unlink()
        return found

    monkeypatch.setattr(copy_module, "_copy_files", meddle)
    with pytest.raises(PermanentError, match=r"a\.py is gone"):
        copy_tree(tree, tmp_path / "copy")


def test_a_destination_inside_the_tree_is_not_a_change(write) -> None:
    root = write({"a.py": "1"})
    tree = read_tree(root)
    copy_tree(tree, root / "runs/1/code")
    assert (root / "runs/1/code/a.py").read_text() == "1"


def test_a_destination_with_files_is_refused(write, tmp_path: Path) -> None:
    tree = read_tree(write({"a.py": "1"}))
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy/mine").write_text("keep")
    with pytest.raises(FileExistsError):
        copy_tree(tree, tmp_path / "copy")
    assert (tmp_path / "copy/mine").read_text() == "keep"


def test_an_archive_brings_the_tree_back(write, tmp_path: Path) -> None:
    root = write({"a.py": "1", "d/" + "long" * 40 + ".txt": "x" * 5000, "run.sh": ""})
    (root / "run.sh").chmod(0o755)
    (root / "caf\udce9").write_bytes(b"x")
    size = archive(root, tmp_path / "deep/source.tar.zst")
    assert size == (tmp_path / "deep/source.tar.zst").stat().st_size
    extract(tmp_path / "deep/source.tar.zst", tmp_path / "back")
    assert read_tree(tmp_path / "back").digest == read_tree(root).digest


def test_equal_trees_give_equal_archives_and_links_stay_out(write, tmp_path: Path) -> None:
    root = write({"b.py": "1", "a/c.py": "2"})
    copy_tree(read_tree(root), tmp_path / "copy")
    os.utime(tmp_path / "copy/b.py", (1, 1))
    (tmp_path / "copy/outputs").symlink_to(tmp_path)
    archive(root, tmp_path / "1.tar.zst")
    archive(tmp_path / "copy", tmp_path / "2.tar.zst")
    assert (tmp_path / "1.tar.zst").read_bytes() == (tmp_path / "2.tar.zst").read_bytes()


@pytest.mark.parametrize("name", ["../out.py", "/tmp/out.py", "link"])
def test_an_archive_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    member = tarfile.TarInfo(name)
    if name == "link":
        member.type, member.linkname = tarfile.SYMTYPE, "/etc"
    packed = zstandard.ZstdCompressor().compress(member.tobuf() + bytes(1024))
    (tmp_path / "bad.tar.zst").write_bytes(packed)
    with pytest.raises(PermanentError, match="not a plain file inside the tree"):
        extract(tmp_path / "bad.tar.zst", tmp_path / "back")


def test_a_torn_archive_is_refused(write, tmp_path: Path) -> None:
    archive(write({"a.py": "x" * 10_000}), tmp_path / "whole")
    (tmp_path / "torn").write_bytes((tmp_path / "whole").read_bytes()[:-30])
    with pytest.raises(PermanentError, match="damaged"):
        extract(tmp_path / "torn", tmp_path / "back")


def packed(path: Path, *members: tuple[str, bytes, str]) -> Path:
    """An archive of members: name, kind as `tarfile` has it, content or what a link leads to."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        for name, kind, text in members:
            member = tarfile.TarInfo(name)
            member.type = kind
            if kind == tarfile.REGTYPE:
                member.size = len(text)
                tar.addfile(member, io.BytesIO(text.encode()))
            else:
                member.linkname = text
                tar.addfile(member)
    path.write_bytes(zstandard.ZstdCompressor().compress(plain.getvalue()))
    return path


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_an_archive_with_anything_but_files_is_refused(tmp_path: Path, kind: bytes) -> None:
    (tmp_path / "victim").mkdir()
    bad = packed(
        tmp_path / "bad.tar.zst",
        ("a", kind, str(tmp_path / "victim")),
        ("a/planted", tarfile.REGTYPE, "x"),
    )
    with pytest.raises(PermanentError, match="damaged"):
        extract(bad, tmp_path / "back")
    assert list((tmp_path / "victim").iterdir()) == []


def test_an_archive_is_not_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "victim").mkdir()
    (tmp_path / "back").mkdir()
    (tmp_path / "back" / "sub").symlink_to(tmp_path / "victim")
    (tmp_path / "file").write_text("kept")
    (tmp_path / "back" / "train.py").symlink_to(tmp_path / "file")
    good = packed(
        tmp_path / "good.tar.zst", ("train.py", tarfile.REGTYPE, "new"), ("sub/x", tarfile.REGTYPE, "x")
    )
    with pytest.raises(PermanentError, match="no folder"):
        extract(good, tmp_path / "back")
    assert list((tmp_path / "victim").iterdir()) == []
    assert (tmp_path / "file").read_text() == "kept"
    assert (tmp_path / "back" / "train.py").read_text() == "new"


def test_a_file_and_a_folder_of_one_name_are_a_damaged_archive(tmp_path: Path) -> None:
    for number, names in enumerate((("a", "a/b"), ("a/b", "a"))):
        bad = packed(tmp_path / f"{number}.tar.zst", *((name, tarfile.REGTYPE, "x") for name in names))
        with pytest.raises(PermanentError, match="damaged"):
            extract(bad, tmp_path / f"back-{number}")


def test_a_source_that_becomes_a_link_out_is_not_copied(write, tmp_path: Path) -> None:
    root = write({"train.py": "x", "data.bin": "own"})
    tree = read_tree(root)
    (tmp_path / "secret").write_text("somebody's")
    (root / "data.bin").unlink()
    (root / "data.bin").symlink_to(tmp_path / "secret")
    with pytest.raises(PermanentError, match=r"data\.bin"):
        copy_tree(tree, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
