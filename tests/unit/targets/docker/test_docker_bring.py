"""Files of several nodes in one folder, and which of them are asked for again."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pulumi_training.spec.errors import PermanentError
from pulumi_training.targets.docker.bring import bring, read_listing
from pulumi_training.targets.docker.parcels import Parcel, parcel


class FakeEngine:
    """An engine whose containers are folders of this machine."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.asked: list[str] = []
        self.api = self

    def get_archive(self, container: str, path: str) -> tuple[Iterator[bytes], dict[str, Any]]:
        self.asked.append(path)
        buffer = io.BytesIO()
        place = self.root / container / path.lstrip("/")
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            archive.add(place, place.name)
        data = buffer.getvalue()
        return iter([data[n : n + 700] for n in range(0, len(data), 700)]), {}

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
        return read_listing(done.stdout)


@pytest.fixture
def engine(tmp_path: Path) -> FakeEngine:
    return FakeEngine(tmp_path / "engine")


def home_of(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    return home


def files(home: Path) -> dict[str, str]:
    return {str(p.relative_to(home)): p.read_text() for p in home.rglob("*") if p.is_file()}


def fetch(engine: FakeEngine, home: Path, node: int, listing: Any = None) -> Any:
    return bring(engine, f"c{node}", home, node, {"outputs": "/run/outputs"}, listing)  # type: ignore[arg-type]


def test_equal_files_are_one_and_different_ones_are_put_aside(engine: FakeEngine, tmp_path: Path) -> None:
    home = home_of(tmp_path)
    for node in (0, 1):
        engine.write(node, "outputs/same", "same")
        engine.write(node, "outputs/deep/other", f"of {node}")
        engine.write(node, f"outputs/only-{node}", "x")
    for _ in range(2):
        assert fetch(engine, home, 0).different == []
        assert fetch(engine, home, 1).different == ["outputs/deep/other"]
    assert files(home) == {
        "outputs/same": "same",
        "outputs/deep/other": "of 0",
        "outputs/.node-1/deep/other": "of 1",
        "outputs/only-0": "x",
        "outputs/only-1": "x",
    }


def test_only_what_is_missing_is_asked_for(engine: FakeEngine, tmp_path: Path) -> None:
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


def test_a_second_nodes_equal_files_are_not_even_sent(engine: FakeEngine, tmp_path: Path) -> None:
    home = home_of(tmp_path)
    for node in (0, 1):
        engine.write(node, "outputs/model", "weights")
        fetch(engine, home, node, engine.listing(node, "outputs"))
    assert engine.asked == ["/run/outputs"] and files(home) == {"outputs/model": "weights"}


def test_a_cut_file_comes_again(engine: FakeEngine, tmp_path: Path) -> None:
    home = home_of(tmp_path)
    engine.write(0, "outputs/model", "weights")
    (home / "outputs").mkdir()
    (home / "outputs/model").write_text("weig")
    fetch(engine, home, 0, engine.listing(0, "outputs"))
    assert files(home) == {"outputs/model": "weights"}


def test_a_link_out_of_the_folder_leads_nobody_there(engine: FakeEngine, tmp_path: Path) -> None:
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

    def fill(into: Parcel) -> None:
        into.copy(source, "/training/run/code")
        into.file("/training/secret", b"secret", 0o600)

    data = b"".join(parcel(fill, (12, 34)))
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        entries = {entry.name: entry for entry in archive}
    assert {(e.uid, e.gid) for e in entries.values()} == {(12, 34)}
    assert entries["training/run/code/deep/script.sh"].mode == 0o755
    assert entries["training/run/code/outputs"].linkname == "../outputs"
    assert entries["training/secret"].mode == 0o600 and "training" not in entries


def test_trouble_of_the_filler_reaches_the_reader(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="nowhere cannot be read"):
        list(parcel(lambda into: into.copy(tmp_path / "nowhere", "/x/y"), (0, 0)))


def test_a_file_with_two_names_arrives_under_both(engine: FakeEngine, tmp_path: Path) -> None:
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
