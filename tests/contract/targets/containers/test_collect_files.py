"""Files of several nodes in one folder, and which of them are asked for again."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from part_transport import PartTransport

from pulumi_training.spec.errors import PermanentError
from pulumi_training.targets.containers.agent_commands import read_list
from pulumi_training.targets.containers.collect_files import collect_files
from pulumi_training.targets.containers.collected import report_differences
from pulumi_training.targets.containers.mark import MarkFile
from pulumi_training.targets.containers.node_layout import FOLDER
from pulumi_training.targets.containers.tar_download import read_members
from pulumi_training.targets.containers.tar_upload import Upload, tar_of
from pulumi_training.targets.containers.transport import Take

MARK = MarkFile("docker")


class Folders(PartTransport):
    """A backend whose nodes are folders of this machine."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.asked: list[str] = []

    def take_files(self, node: str, path: str, take: Take) -> bool:
        self.asked.append(path)
        pieces = self.pieces(node, path)
        if pieces is None:
            return False
        read_members(pieces, take)
        return True

    def pieces(self, node: str, path: str) -> Iterator[bytes] | None:
        buffer = io.BytesIO()
        place = self.root / node / path.lstrip("/")
        if not os.path.lexists(place):
            return None
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            archive.add(place, place.name)
        data = buffer.getvalue()
        return iter([data[n : n + 700] for n in range(0, len(data), 700)])

    def write(self, node: int, name: str, content: str) -> Path:
        path = self.root / f"c{node}" / "run" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        return path

    def listing(self, node: int, *parts: str) -> list[dict[str, Any]]:
        import subprocess
        import sys

        words = [sys.executable, "-m", "pulumi_training.agent", "files", "--digests", "1"]
        place = str(self.root / f"c{node}" / "run")
        done = subprocess.run(
            [*words, "--folder", place, "--parts", ",".join(parts)], capture_output=True, check=True
        )
        return read_list(done.stdout)


@pytest.fixture
def engine(tmp_path: Path) -> Folders:
    return Folders(tmp_path / "engine")


def home_of(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    return home


def files(home: Path) -> dict[str, str]:
    return {str(p.relative_to(home)): p.read_text() for p in home.rglob("*") if p.is_file()}


def outputs(home: Path) -> dict[str, str]:
    """The files of what scripts wrote, without the notes of the collection."""
    return {name: text for name, text in files(home).items() if not name.startswith("launch/")}


def fetch(engine: Folders, home: Path, node: int, listing: Any = None) -> Any:
    return collect_files(engine, f"c{node}", home, node, {"outputs": "/run/outputs"}, listing, MARK)


def test_equal_files_are_one_and_different_ones_are_put_aside(engine: Folders, tmp_path: Path) -> None:
    home = home_of(tmp_path)
    for node in (0, 1):
        engine.write(node, "outputs/same", "same")
        engine.write(node, "outputs/deep/other", f"of {node}")
        engine.write(node, f"outputs/only-{node}", "x")
    for _ in range(2):
        assert fetch(engine, home, 0).different == []
        assert fetch(engine, home, 1).different == ["outputs/deep/other"]
    assert outputs(home) == {
        "outputs/same": "same",
        "outputs/deep/other": "of 0",
        "outputs/.node-1/deep/other": "of 1",
        "outputs/only-0": "x",
        "outputs/only-1": "x",
    }


def test_only_what_is_missing_is_asked_for(engine: Folders, tmp_path: Path) -> None:
    home = home_of(tmp_path)
    for name in ("a/1", "a/2", "b/1", "c"):
        engine.write(0, f"outputs/{name}", name)
    fetch(engine, home, 0, engine.listing(0, "outputs"))
    assert engine.asked == ["/run/outputs"], "nothing was there: one question"
    engine.asked.clear()
    fetch(engine, home, 0, engine.listing(0, "outputs"))
    assert engine.asked == [], "everything is there: none"
    (home / "outputs/a/2").unlink()
    (home / "outputs/b/1").unlink()
    fetch(engine, home, 0, engine.listing(0, "outputs"))
    assert sorted(engine.asked) == ["/run/outputs/a/2", "/run/outputs/b"]
    assert len(files(home)) == 4


def test_a_second_nodes_equal_files_are_not_even_sent(engine: Folders, tmp_path: Path) -> None:
    home = home_of(tmp_path)
    for node in (0, 1):
        engine.write(node, "outputs/model", "weights")
        fetch(engine, home, node, engine.listing(node, "outputs"))
    assert engine.asked == ["/run/outputs"] and files(home) == {"outputs/model": "weights"}


def test_a_cut_file_comes_again(engine: Folders, tmp_path: Path) -> None:
    home = home_of(tmp_path)
    engine.write(0, "outputs/model", "weights")
    (home / "outputs").mkdir()
    (home / "outputs/model").write_text("weig")
    fetch(engine, home, 0, engine.listing(0, "outputs"))
    assert files(home) == {"outputs/model": "weights"}


def test_a_link_out_of_the_folder_leads_nobody_there(engine: Folders, tmp_path: Path) -> None:
    home, outside = home_of(tmp_path), tmp_path / "outside"
    outside.mkdir()
    engine.write(0, "outputs/fine", "x")
    (home / "outputs").mkdir()
    (home / "outputs" / "away").symlink_to(outside)
    engine.write(0, "outputs/away/file", "stolen")
    fetch(engine, home, 0)
    assert list(outside.iterdir()) == [] and (home / "outputs/fine").read_text() == "x"


def test_a_parcel_has_everything_and_its_owner(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "script.sh").write_text("#!/bin/sh")
    (source / "deep" / "script.sh").chmod(0o755)
    (source / "outputs").symlink_to("../outputs")

    def fill(into: Upload) -> None:
        into.copy(source, "/training/run/code")
        into.file("/training/secret", b"secret", 0o600)

    data = b"".join(tar_of(fill, (12, 34)))
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        entries = {entry.name: entry for entry in archive}
    assert {(e.uid, e.gid) for e in entries.values()} == {(12, 34)}
    assert entries["training/run/code/deep/script.sh"].mode == 0o755
    assert entries["training/run/code/outputs"].linkname == "../outputs"
    assert entries["training/secret"].mode == 0o600 and "training" not in entries


def test_trouble_of_the_filler_reaches_the_reader(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="nowhere cannot be read"):
        list(tar_of(lambda into: into.copy(tmp_path / "nowhere", "/x/y"), (0, 0)))


def test_a_file_with_two_names_arrives_under_both(engine: Folders, tmp_path: Path) -> None:
    first = engine.write(0, "outputs/epoch-5.pt", "weights")
    (first.parent / "last").mkdir()
    for name in ("best.pt", "last/model.pt"):
        (first.parent / name).hardlink_to(first)
    home = home_of(tmp_path)
    fetch(engine, home, 0)
    assert files(home) == dict.fromkeys(
        ("outputs/epoch-5.pt", "outputs/best.pt", "outputs/last/model.pt"), "weights"
    )
    other = engine.write(1, "outputs/epoch-5.pt", "others")
    (other.parent / "best.pt").hardlink_to(other)
    assert sorted(fetch(engine, home, 1).different) == ["outputs/best.pt", "outputs/epoch-5.pt"]
    assert (home / "outputs/.node-1/best.pt").read_text() == "others"


def make(engine: Folders, node: int, name: str, kind: str) -> None:
    """Something at a name of a node's outputs: a file of a text, a folder with a file of it, or a link to it."""
    how, _, text = kind.partition(" ")
    place = engine.root / f"c{node}" / "run" / "outputs" / name
    place.parent.mkdir(parents=True, exist_ok=True)
    if how == "file":
        place.write_text(text)
    elif how == "folder":
        place.mkdir()
        (place / "deep").mkdir()
        (place / "deep" / "file").write_text(text)
    elif how == "link":
        place.symlink_to(text)
    elif how == "pipe":
        os.mkfifo(place)


def kind_at(place: Path) -> str:
    if place.is_symlink():
        return f"link {os.readlink(place)}"
    if place.is_dir():
        return f"folder {(place / 'deep' / 'file').read_text()}"
    return f"file {place.read_text()}" if place.is_file() else "nothing"


KINDS = ("file a", "file b", "folder a", "link x", "link y")
CLASHES = [
    (first, second, name)
    for first in KINDS
    for second in KINDS
    for name in ("ckpt", "in/here/ckpt")
    if first != second
]


@pytest.mark.parametrize(("first", "second", "name"), CLASHES)
def test_whatever_a_later_node_has_otherwise_is_kept_in_its_own_folder(
    engine: Folders, tmp_path: Path, first: str, second: str, name: str
) -> None:
    home = home_of(tmp_path)
    make(engine, 0, name, first)
    make(engine, 1, name, second)
    for node in (0, 1):
        for target in "xy":
            make(engine, node, name.replace("ckpt", target), f"file {target}")
    for _ in range(2):  # a collection that was interrupted is done again
        assert fetch(engine, home, 0).clashes == {}
        told = fetch(engine, home, 1)
        assert list(told.clashes) == [f"outputs/{name}"] and told.left_out == {}
        assert told.asides == {"outputs/.node-1"}
    assert kind_at(home / "outputs" / name) == first
    apart = home / "outputs" / ".node-1" / name
    if second.startswith("link"):
        assert apart.resolve() == (home / "outputs" / name).with_name(second[-1])
    else:
        assert kind_at(apart) == second
    assert len(list((home / "outputs").rglob("*.tmp"))) == 0


def test_each_of_many_nodes_has_a_folder_of_its_own(engine: Folders, tmp_path: Path) -> None:
    home = home_of(tmp_path)
    for node, kind in enumerate(("file 0", "folder 1", "folder 2", "file 0", "link ab")):
        make(engine, node, "ckpt", kind)
        make(engine, node, "ckpt-1", f"file of {node}")  # a name that another one begins with
    for _ in range(2):
        for node in range(5):
            fetch(engine, home, node)
    kept = outputs(home)
    assert {n: t for n, t in kept.items() if "ckpt-1" not in n} == {
        "outputs/ckpt": "0",
        "outputs/.node-1/ckpt/deep/file": "1",
        "outputs/.node-2/ckpt/deep/file": "2",
    }
    assert sorted(t for n, t in kept.items() if n.endswith("ckpt-1")) == [f"of {n}" for n in range(5)]


def test_equal_folders_are_merged_file_by_file(engine: Folders, tmp_path: Path) -> None:
    home = home_of(tmp_path)
    for node in (0, 1):
        engine.write(node, "outputs/ckpt/same", "same")
        engine.write(node, f"outputs/ckpt/of-{node}", "own")
        (engine.root / f"c{node}" / "run" / "outputs" / "empty").mkdir()
    told = [fetch(engine, home, node) for node in (0, 1)]
    assert all(t.clashes == {} for t in told)
    assert set(outputs(home)) == {f"outputs/ckpt/{name}" for name in ("same", "of-0", "of-1")}
    assert (home / "outputs" / "empty").is_dir()


@pytest.mark.parametrize("who", [0, 1, 2])
def test_a_folder_that_a_script_called_like_ours_stays_the_scripts(
    engine: Folders, tmp_path: Path, who: int
) -> None:
    home = home_of(tmp_path)
    for node in range(3):
        engine.write(node, "outputs/model", f"of {node}")
    engine.write(who, "outputs/.node-1/model", "a script's own")
    for _ in range(2):
        for node in range(3):
            fetch(engine, home, node)
    kept = outputs(home)
    assert kept["outputs/model"] == "of 0"
    assert sorted(kept.values()) == ["a script's own", "of 0", "of 1", "of 2"]
    if who == 0:
        assert kept["outputs/.node-1/model"] == "a script's own"
        assert kept["outputs/.node-1.1/model"] == "of 1"


def test_a_nodes_files_go_through_no_link(engine: Folders, tmp_path: Path) -> None:
    """Neither through another node's, nor through one that was in the folder before."""
    home, outside = home_of(tmp_path), tmp_path / "outside"
    outside.mkdir()
    make(engine, 0, "other/file", "file 0")
    make(engine, 0, "ckpt", "link other")
    make(engine, 1, "ckpt/file", "file 1")
    make(engine, 1, "away/deep/file", "file 1")
    (home / "outputs").mkdir()
    (home / "outputs" / "away").symlink_to(outside)
    (home / "outputs" / "flat").symlink_to(outside / "made")
    make(engine, 1, "flat", "file 1")
    for node in (0, 1):
        fetch(engine, home, node)
    assert list(outside.iterdir()) == []
    assert (home / "outputs/other/file").read_text() == "0"
    for name in ("ckpt/file", "away/deep/file", "flat"):
        assert (home / "outputs/.node-1" / name).read_text() == "1"


def test_a_link_leads_to_what_its_own_node_had(engine: Folders, tmp_path: Path) -> None:
    home = home_of(tmp_path)
    for node in (0, 1):
        make(engine, node, "a/model", f"file of {node}")
        make(engine, node, "latest", "link a/model")
        make(engine, node, "newest", "link latest")
        make(engine, node, "whole", f"link {FOLDER}/outputs/a/model")
    for _ in range(2):
        for node in (0, 1):
            fetch(engine, home, node)
    for name in ("latest", "newest", "whole"):
        assert (home / "outputs" / name).read_text() == "of 0"
        assert (home / "outputs/.node-1" / name).read_text() == "of 1"


def test_a_link_out_of_the_folder_is_left_out_and_told(engine: Folders, tmp_path: Path) -> None:
    home, secret = home_of(tmp_path), tmp_path / "secret"
    secret.write_text("the client's own")
    make(engine, 0, "stolen", f"link {secret}")
    make(engine, 0, "above", "link ../../../secret")
    make(engine, 0, "pipe", "pipe")
    told: list[str] = []
    brought = fetch(engine, home, 0)
    report_differences(brought, 0, told.append)
    assert set(brought.left_out) == {"outputs/stolen", "outputs/above", "outputs/pipe"}
    assert len(told) == 1 and told[0].startswith("warning: ") and str(secret) in told[0]
    assert outputs(home) == {} and list((home / "outputs").iterdir()) == []
    kept = json.loads((home / "launch" / "left-0.json").read_text())["left"]
    assert set(kept) == set(brought.left_out)


def test_a_node_cannot_replace_what_this_side_notes(engine: Folders, tmp_path: Path) -> None:
    home = home_of(tmp_path)
    (home / "launch").mkdir()
    ours = ("docker.json", "nodes.json", "killed.json", "asides.json", "supervisor.log")
    for name in ours:
        (home / "launch" / name).write_text("{}")
        engine.write(0, f"launch/{name}", '{"docker_host": "tcp://elsewhere"}')
    engine.write(0, "launch/end.json", '{"ended_at": 1}')
    engine.write(1, "launch/end.json", '{"ended_at": 2}')
    for node in (0, 1):
        collect_files(engine, f"c{node}", home, node, {"launch": "/run/launch"}, None, MARK)
    assert all((home / "launch" / name).read_text() == "{}" for name in ours if name != "asides.json")
    assert "elsewhere" not in (home / "launch" / "asides.json").read_text()
    assert json.loads((home / "launch" / "end.json").read_text()) == {"ended_at": 1}


def test_the_log_of_another_nodes_rank_stays(engine: Folders, tmp_path: Path) -> None:
    home = home_of(tmp_path)
    engine.write(0, "logs/std/rank-0.log", "truth\n")
    engine.write(1, "logs/std/rank-0.log", "a longer lie\n")
    engine.write(1, "logs/std/rank-1.log", "one\ntwo\n")
    (home / "logs/std").mkdir(parents=True)
    (home / "logs/std/rank-1.log").write_text("one\n")  # as it was mirrored while the run lived
    for node in (0, 1):
        collect_files(engine, f"c{node}", home, node, {"logs": "/run/logs"}, None, MARK)
    assert (home / "logs/std/rank-0.log").read_text() == "truth\n"
    assert (home / "logs/std/rank-1.log").read_text() == "one\ntwo\n"
    assert (home / "logs/.node-1/std/rank-0.log").read_text() == "a longer lie\n"


def test_a_collection_killed_half_way_goes_on_to_the_same_end(engine: Folders, tmp_path: Path) -> None:
    home = home_of(tmp_path)
    make(engine, 0, "ckpt", "file 0")
    make(engine, 1, "ckpt", "folder 1")
    for number in range(20):
        engine.write(1, f"outputs/ckpt/{number}", "x" * 900)
    fetch(engine, home, 0)
    whole = engine.pieces

    def cut(node: str, path: str) -> Any:
        pieces = whole(node, path) or iter(())
        return (piece for number, piece in enumerate(pieces) if number < 20 or killed(number))

    def killed(number: int) -> bool:
        raise ConnectionResetError(f"after {number} pieces")

    engine.pieces = cut  # type: ignore[method-assign]
    with pytest.raises(ConnectionResetError):
        fetch(engine, home, 1)
    (home / ".~bring-999999999-dead.tmp").write_bytes(b"half")
    engine.pieces = whole  # type: ignore[method-assign]
    for node in (0, 1):
        fetch(engine, home, node)
    kept = outputs(home)
    assert len(kept) == 22 and kept["outputs/ckpt"] == "0"
    assert {n.partition("/.node-1/")[0] for n in kept if n != "outputs/ckpt"} == {"outputs"}
    assert sorted(p.name for p in home.iterdir()) == ["launch", "outputs"], "nothing half written stays"


def test_a_name_that_cannot_be_had_here_is_left_out_and_the_rest_comes(
    engine: Folders, tmp_path: Path
) -> None:
    home = home_of(tmp_path) / ("h" * 200) / ("h" * 200)
    home.mkdir(parents=True)
    deep = "/".join(["d" * 250] * 15)
    make(engine, 0, "fine", "file x")
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for name in (f"outputs/{deep}/model", "outputs/fine"):
            entry = tarfile.TarInfo(name)
            entry.size = 1
            archive.addfile(entry, io.BytesIO(b"x"))
    engine.pieces = lambda node, path: iter([data.getvalue()])  # type: ignore[method-assign]
    brought = fetch(engine, home, 0)
    assert list(brought.left_out) == [f"outputs/{deep}/model"]
    assert (home / "outputs" / "fine").read_text() == "x"


def test_holes_stay_holes(engine: Folders, tmp_path: Path) -> None:
    home = home_of(tmp_path)
    place = engine.write(0, "outputs/sparse", "begin")
    with place.open("r+b") as stream:
        stream.truncate(8 << 20)
    fetch(engine, home, 0)
    found = (home / "outputs" / "sparse").stat()
    assert found.st_size == 8 << 20 and found.st_blocks * 512 < 1 << 20
