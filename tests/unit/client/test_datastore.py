"""Data moved now by a datastore's own methods, on a folder; the same words as the first SDK's."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pulumi
import pytest

import pulumi_training as training
from pulumi_training import docker, local


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in (("a.txt", "a"), ("deep/b.txt", "b"), ("deep/c.txt", "c")):
        (tmp_path / "mine" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mine" / name).write_text(text)
    return tmp_path


@pytest.fixture
def store(here: Path) -> local.Datastore:
    return local.Datastore("digits", workspace=local.Workspace("lab"), source="./data")


def test_a_folder_goes_up_and_comes_down(
    here: Path, store: local.Datastore, capsys: pytest.CaptureFixture[str]
) -> None:
    place = store.upload("mine", "sets/one")
    assert "3 of 3 files" in capsys.readouterr().out
    assert (here / "data" / "sets" / "one" / "deep" / "b.txt").read_text() == "b"
    assert place.as_mount().uri == "./data/sets/one"
    assert store.download("back", "sets", show_progress=False) == 3
    assert (here / "back" / "one" / "deep" / "c.txt").read_text() == "c"
    assert capsys.readouterr().out == ""


def test_what_is_there_is_left_unless_it_is_to_be_overwritten(
    here: Path, store: local.Datastore, capsys: pytest.CaptureFixture[str]
) -> None:
    store.upload("mine")
    (here / "mine" / "a.txt").write_text("another")
    store.upload("mine")
    assert "overwrite=True replaces" in capsys.readouterr().out
    assert (here / "data" / "a.txt").read_text() == "a"
    store.upload("mine", overwrite=True)
    assert (here / "data" / "a.txt").read_text() == "another"
    (here / "back").mkdir()
    (here / "back" / "a.txt").write_text("my own")
    assert store.download("back") == 2
    assert (here / "back" / "a.txt").read_text() == "my own"
    assert store.download("back", overwrite=True) == 1
    assert (here / "back" / "a.txt").read_text() == "another"


def test_files_keep_their_path_below_a_root(here: Path, store: local.Datastore) -> None:
    store.upload_files(["mine/deep/b.txt", "mine/deep/c.txt"], target_path="x")
    assert (here / "data" / "x" / "b.txt").is_file()
    store.upload_files(["mine/deep/b.txt"], relative_root="mine", target_path="y")
    assert (here / "data" / "y" / "deep" / "b.txt").is_file()


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda s: s.upload("mien"), "src_dir: mien does not exist"),
        (lambda s: s.upload("mine/a.txt"), r"src_dir: mine/a.txt is a file; write upload_files"),
        (lambda s: s.upload("mine", "../elsewhere"), "is not inside the datastore"),
        (lambda s: s.upload_files("mine/a.txt"), "write a list of paths"),
        (lambda s: s.upload_files(["mine/x.txt", "mine/y.txt"]), r"(?s)mine/x.txt.*mine/y.txt"),
        (lambda s: s.upload_files(["mine/a.txt"], relative_root="mine/deep"), "is not below"),
        (lambda s: s.download("mine/a.txt"), "is a file; give a folder"),
        (lambda s: s.download("back", "nowhere"), "does not exist"),
    ],
)
def test_bad_input_says_what_to_write(store: local.Datastore, call: object, told: str) -> None:
    with pytest.raises(training.SpecError, match=told):
        call(store)  # type: ignore[operator]


def test_what_cannot_be_reached_from_here_is_said(here: Path) -> None:
    lab = docker.Workspace("lab")
    with pytest.raises(training.SpecError, match="cannot be reached from here"):
        docker.Datastore("big", workspace=lab, volume="imagenet").upload("mine")


def test_a_source_that_only_a_deployment_knows_is_said(here: Path) -> None:
    async def later() -> None:
        source = pulumi.Output.from_input("./x")
        store = local.Datastore("later", workspace=local.Workspace("lab"), source=source)
        with pytest.raises(training.SpecError, match="only once it is deployed"):
            store.upload("mine")

    asyncio.run(later())
