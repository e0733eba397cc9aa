"""The digest of a source tree: what changes it, and what must not."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulumi_training.identity import tree as tree_module
from pulumi_training.identity.hashing import LARGE, Digested, digest_files
from pulumi_training.identity.tree import TreeLimits, read_tree
from pulumi_training.spec.errors import SpecError

NAMES = st.text(st.sampled_from("abcXYZ019._- é\n'\"$"), min_size=1, max_size=8).filter(
    lambda name: name.strip(".") != "" and name not in ("venv", "logs")
)
TREES = st.dictionaries(st.tuples(NAMES, NAMES), st.binary(max_size=40), min_size=1, max_size=6)


def put(root: Path, files: dict[tuple[str, str], bytes]) -> None:
    for (folder, name), content in files.items():
        place = root / f"d{folder}" / f"f{name}"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)


@settings(max_examples=25, deadline=None)
@given(files=TREES, data=st.data())
def test_a_touch_a_move_and_a_clone_change_nothing_and_anything_else_does(
    files: dict[tuple[str, str], bytes], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch, "one")
        put(root, files)
        digest = read_tree(root).digest

        clone = Path(scratch, "two")
        put(clone, dict(reversed(files.items())))
        assert read_tree(clone).digest == digest
        for path in root.rglob("*"):
            os.utime(path, (1, 1))
        root = root.rename(Path(scratch, "moved"))
        assert read_tree(root).digest == digest

        folder, name = data.draw(st.sampled_from(sorted(files)))
        victim = root / f"d{folder}" / f"f{name}"
        victim.write_bytes(files[folder, name] + b"x")
        assert read_tree(root).digest != digest
        victim.write_bytes(files[folder, name])
        assert read_tree(root).digest == digest
        victim.chmod(0o755)
        assert read_tree(root).digest != digest
        victim.chmod(0o600)
        assert read_tree(root).digest == digest
        victim.rename(victim.with_name("renamed by the test"))
        assert read_tree(root).digest != digest


def test_an_entry_tells_path_size_bit_and_content(write) -> None:
    root = write({"b.py": "", "a/run.sh": "echo"})
    (root / "a/run.sh").chmod(0o744)
    found = read_tree(root)
    assert [(entry.path, entry.size, entry.executable) for entry in found.entries] == [
        ("a/run.sh", 4, True),
        ("b.py", 0, False),
    ]
    assert found.size == 4
    assert found.digest.startswith("sha256:")
    assert found.manifest()["b.py"] == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_the_digest_of_a_known_tree_never_changes(write) -> None:
    # A release that computes another digest would train everything again.
    root = write({"train.py": "print('hello')\n", "pkg/data.txt": "1\n"})
    assert read_tree(root).digest == "sha256:2e16e131768afafd93ed0d5b37422e87e10273831269ad86536c3fea5d90e4ca"


def test_a_name_that_is_not_utf8_is_a_name(source: Path) -> None:
    try:
        (source / "caf\udce9.txt").write_bytes(b"x")
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")
    found = read_tree(source)
    assert [os.fsencode(entry.path) for entry in found.entries] == [b"caf\xe9.txt"]


def test_a_link_inside_the_tree_stands_for_its_content(write) -> None:
    root = write({"pkg/real.py": "x = 1"})
    (root / "link.py").symlink_to("pkg/real.py")
    (root / "also").symlink_to("pkg")
    found = read_tree(root)
    assert [entry.path for entry in found.entries] == ["also/real.py", "link.py", "pkg/real.py"]
    assert len({entry.sha256 for entry in found.entries}) == 1


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("/etc/hostname", "outside the source directory"),
        ("..", "outside the source directory"),
        ("nowhere", "leads nowhere"),
        ("link", "leads nowhere"),
        (".", "without end"),
    ],
)
def test_a_link_that_leads_out_or_nowhere_or_round_is_refused(write, target: str, words: str) -> None:
    root = write({"train.py": ""})
    Path("/etc/hostname").exists() or pytest.skip("no file to link to")
    (root / "link").symlink_to(target)
    with pytest.raises(SpecError, match=words) as caught:
        read_tree(root)
    assert caught.value.path == "sourceDirectory"
    (root / ".amlignore").write_text("link\n")
    assert [entry.path for entry in read_tree(root).entries] == ["train.py"]


def test_two_links_that_lead_into_each_other_are_refused(write) -> None:
    root = write({"a/x.py": "", "b/y.py": ""})
    (root / "a/to_b").symlink_to("../b")
    (root / "b/to_a").symlink_to("../a")
    with pytest.raises(SpecError, match="without end"):
        read_tree(root)


def test_pipes_and_sockets_are_named_all_at_once(write, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write({"train.py": ""})
    os.mkfifo(root / "pipe")
    monkeypatch.chdir(root)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("talk")
        with pytest.raises(SpecError) as caught:
            read_tree(root)
    assert sorted(problem.message.split(",")[0] for problem in caught.value.problems) == [
        "pipe is a named pipe",
        "talk is a socket",
    ]


def test_a_file_that_cannot_be_read_is_named(write, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write({"secret.key": "x", "train.py": ""})

    def refuse(files: list[tuple[str, int]]) -> list[Digested]:
        return [
            Digested(error=PermissionError(13, "Permission denied")) if path.endswith(".key") else digested
            for (path, _), digested in zip(files, digest_files(files), strict=True)
        ]

    monkeypatch.setattr(tree_module, "digest_files", refuse)
    with pytest.raises(SpecError, match=r"secret\.key cannot be read: Permission denied"):
        read_tree(root)


def test_a_file_that_never_holds_still_is_named(write, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write({"growing.log": "x", "train.py": ""})

    def grow(files: list[tuple[str, int]]) -> list[Digested]:
        with (root / "growing.log").open("a") as file:
            file.write("more")
        return digest_files(files)

    monkeypatch.setattr(tree_module, "digest_files", grow)
    with pytest.raises(SpecError, match=r"growing\.log is being written to"):
        read_tree(root)


def test_a_file_that_vanishes_during_the_scan_is_not_in_the_tree(
    write, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write({"brief.tmp": "x", "train.py": ""})

    def vanish(files: list[tuple[str, int]]) -> list[Digested]:
        (root / "brief.tmp").unlink(missing_ok=True)
        return digest_files(files)

    monkeypatch.setattr(tree_module, "digest_files", vanish)
    assert [entry.path for entry in read_tree(root).entries] == ["train.py"]


def test_large_files_are_digested_in_threads_to_the_same_answer(source: Path) -> None:
    sizes = [LARGE, LARGE + 1, 3 * LARGE, 10, 0]
    for number, size in enumerate(sizes):
        (source / f"{number}.bin").write_bytes(os.urandom(size))
    files = [(str(source / f"{number}.bin"), size) for number, size in enumerate(sizes)]
    one_by_one = [digested for file in files for digested in digest_files([file])]
    assert digest_files(files) == one_by_one


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("scr", "Did you mean src?"),
        ("src/train.py", "is a file; give the folder"),
        ("nothing_like_it/deeper", "has no nothing_like_it"),
    ],
)
def test_a_missing_folder_is_an_error_that_helps(write, wanted: str, words: str) -> None:
    root = write({"train.py": ""})
    with pytest.raises(SpecError) as caught:
        read_tree(root.parent / wanted)
    assert caught.value.path == "sourceDirectory"
    assert words in caught.value.message


def test_a_tree_over_the_limit_names_the_five_largest(write) -> None:
    root = write(
        {f"data/raw/{n}.bin": "x" * 1000 for n in range(9)}
        | {"model/big.ckpt": "x" * 8000, "train.py": "x"}
        | {f"p{n}/a.py": "x" * (100 + n) for n in range(5)}
    )
    with pytest.raises(SpecError) as caught:
        read_tree(root, limits=TreeLimits(max_bytes=10_000))
    lines = caught.value.message.splitlines()
    assert lines[1:6] == [
        "  data/raw/  8.8 KiB in 9 files",
        "  model/big.ckpt  7.8 KiB",
        "  p4/a.py  104 B",
        "  p3/a.py  103 B",
        "  p2/a.py  102 B",
    ]
    assert "sourceMaxBytes" in lines[-1]
    assert ".amlignore" in lines[-1]
    assert "sourceMaxFiles" not in caught.value.message


def test_a_tree_of_too_many_files_is_ranked_by_files(write) -> None:
    root = write({f"many/{n}.txt": "" for n in range(12)} | {"one.bin": "x" * 500})
    with pytest.raises(SpecError) as caught:
        read_tree(root, limits=TreeLimits(max_files=10))
    assert "13 files, over the limit of 10 files" in caught.value.message
    assert "raise sourceMaxFiles." in caught.value.message
    read_tree(root, limits=TreeLimits(max_files=13))


def test_a_tree_in_one_folder_names_what_is_in_it(write) -> None:
    root = write({f"pkg/{n}/w.bin": "x" * (n + 1) * 100 for n in range(7)})
    with pytest.raises(SpecError) as caught:
        read_tree(root, limits=TreeLimits(max_bytes=10))
    assert [line.split()[0] for line in caught.value.message.splitlines()[1:6]] == [
        f"pkg/{n}/w.bin" for n in (6, 5, 4, 3, 2)
    ]


def test_an_empty_tree_has_a_digest(source: Path) -> None:
    assert read_tree(source).entries == ()


def test_the_root_may_be_a_link(write, tmp_path: Path) -> None:
    root = write({"train.py": "x"})
    (tmp_path / "link").symlink_to(root)
    assert read_tree(tmp_path / "link") == read_tree(root)
    shutil.rmtree(root)
    with pytest.raises(SpecError, match="link that leads nowhere"):
        read_tree(tmp_path / "link")
