"""A datastore's own methods on real servers of each object store: checksums, resume, and what is there already."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pulumi_training import PermanentError, SpecError, local
from pulumi_training.data.objects import Objects
from pulumi_training.spec.outcome import Reason


@pytest.fixture
def store(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> local.Datastore:
    monkeypatch.chdir(tmp_path)
    for number in range(40):
        (tmp_path / "mine" / f"d{number % 4}").mkdir(parents=True, exist_ok=True)
        (tmp_path / "mine" / f"d{number % 4}" / f"{number}.bin").write_bytes(os.urandom(1000 + number))
    return local.Datastore("digits", workspace=local.Workspace("lab"), source=f"{bucket}/digits")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_up_and_down(store: local.Datastore, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store.upload("mine", "one")
    assert "40 of 40 files" in capsys.readouterr().out
    store.upload("mine", "one")
    assert "40 files" in capsys.readouterr().out, "nothing is sent twice"
    assert store.download("back", "one") == 40
    assert contents(tmp_path / "back") == contents(tmp_path / "mine")
    assert store.download("back", "one") == 0
    with pytest.raises(SpecError, match="does not exist"):
        store.download("back", "two")


def test_files_one_by_one(store: local.Datastore, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["mine/d0/0.bin", "mine/d1/1.bin"]
    store.upload_files(names, target_path="some", relative_root="mine")
    assert store.download("back", "some") == 2
    first = (tmp_path / "back/d0/0.bin").read_bytes()
    assert first == (tmp_path / names[0]).read_bytes()
    (tmp_path / names[0]).write_bytes(b"changed")
    store.upload_files(names, target_path="some", relative_root="mine")
    assert store.download("again", "some") == 2
    assert (tmp_path / "again/d0/0.bin").read_bytes() == first, "overwrite=False keeps what is there"
    store.upload_files(names, target_path="some", relative_root="mine", overwrite=True)
    assert store.download("back", "some", overwrite=True) == 1, "only what changed comes"
    assert (tmp_path / "back/d0/0.bin").read_bytes() == b"changed"


def test_another_machine_sends_nothing_twice(
    store: local.Datastore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without the journal the service's own checksums tell what is there."""
    store.upload("mine", "one", overwrite=True)
    assert store.download("back", "one") == 40
    monkeypatch.setenv("TRAINING_CACHE_DIR", str(tmp_path / "of-another"))
    monkeypatch.setattr("pulumi_training.data.objects.Objects.put", _not_wanted)
    store.upload("mine", "one", overwrite=True)
    monkeypatch.setattr("pulumi_training.data.objects.Objects.get", _not_wanted)
    assert store.download("back", "one", overwrite=True) == 0


def _not_wanted(*_: object) -> None:
    raise AssertionError("it is there already")


def test_what_broke_goes_on_where_it_stopped(
    store: local.Datastore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.upload("mine")
    monkeypatch.setattr("pulumi_training.data.transfer._pause", lambda seconds: None)
    get, came = Objects.get, []

    def break_off(self: Objects, path: str, destination: str) -> None:
        if len(came) >= 25:
            raise PermanentError(Reason.DATA_UNAVAILABLE, "cut off")
        get(self, path, destination)
        came.append(path)

    monkeypatch.setattr(Objects, "get", break_off)
    with pytest.raises(PermanentError, match="cut off"):
        store.download("back")
    there = len(contents(tmp_path / "back"))
    assert 0 < there < 40
    monkeypatch.setattr(Objects, "get", get)
    assert store.download("back") == 40 - there
    assert contents(tmp_path / "back") == contents(tmp_path / "mine")


def test_an_object_that_changed_on_the_way_is_fetched_again(
    store: local.Datastore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.upload("mine")
    monkeypatch.setattr("pulumi_training.data.transfer._pause", lambda seconds: None)
    get, spoiled = Objects.get, set()

    def spoil_once(self: Objects, path: str, destination: str) -> None:
        get(self, path, destination)
        if path not in spoiled:
            spoiled.add(path)
            with Path(destination).open("r+b") as stream:
                stream.write(b"!!!")

    monkeypatch.setattr(Objects, "get", spoil_once)
    assert store.download("back") == 40
    assert contents(tmp_path / "back") == contents(tmp_path / "mine")


def test_of_many_small_files_only_those_that_came_wrong_are_fetched_again(
    store: local.Datastore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(100, 160):
        (tmp_path / "mine" / f"[{number}]*.bin").write_bytes(b"%d" % number)
    store.upload("mine")
    get, get_all, alone = Objects.get, Objects.get_all, []

    def spoil(self: Objects, wanted: list[tuple[str, str]]) -> None:
        get_all(self, wanted)
        Path(wanted[1][1]).write_bytes(b"")

    def count(self: Objects, path: str, destination: str) -> None:
        alone.append(path)
        get(self, path, destination)

    monkeypatch.setattr(Objects, "get_all", spoil)
    monkeypatch.setattr(Objects, "get", count)
    assert store.download("back") == 100
    assert len(alone) == 4, "one of each group"
    assert contents(tmp_path / "back") == contents(tmp_path / "mine")
    assert store.download("back") == 0
