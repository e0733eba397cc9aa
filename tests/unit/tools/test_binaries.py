"""tools/binaries: what a program's name is made of, and what is left of a build."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[3] / "tools"))

from engine import progress
from engine.errors import EngineError
from programs import command
from programs.recipes import Recipe, recipes


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "binaries"
    monkeypatch.setenv("TRAINING_BINARIES_DIR", str(folder))
    monkeypatch.setattr(progress, "tool", progress.tool)
    before = signal.getsignal(signal.SIGTERM)
    yield folder
    signal.signal(signal.SIGTERM, before)


def recipe(tmp_path: Path, make: object = None, **fields: str) -> Recipe:
    pins = tmp_path / "pins"
    pins.mkdir(exist_ok=True)
    (pins / "go.sum").write_text(fields.pop("sums", "one\n"))

    def write(draft: Path) -> None:
        (draft / "program").write_text("#!/bin/sh\n")

    return Recipe(fields.pop("name", "thing"), pins, "program", make or write, **fields)  # type: ignore[arg-type]


def test_another_pin_is_another_folder(tmp_path: Path) -> None:
    first = recipe(tmp_path).home
    assert recipe(tmp_path).home == first
    assert recipe(tmp_path, sums="two\n").home != first
    assert recipe(tmp_path, version="2").home != first


def test_the_name_knows_nothing_of_where_the_checkout_is(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    assert recipe(here).home == recipe(there).home


def test_what_is_there_is_complete(tmp_path: Path, cache: Path) -> None:
    made = recipe(tmp_path)
    assert not made.is_there
    made.build()
    assert made.is_there and made.path.parent == cache / made.home.name
    assert [path.name for path in cache.iterdir()] == [made.home.name]


def test_a_build_that_fails_leaves_nothing(tmp_path: Path, cache: Path) -> None:
    def breaks(draft: Path) -> None:
        (draft / "half").write_text("")
        raise EngineError("no such module")

    broken = recipe(tmp_path, breaks)
    with pytest.raises(EngineError, match="no such module"):
        broken.build()
    with pytest.raises(EngineError, match="made no program"):
        recipe(tmp_path, lambda draft: None).build()
    assert not broken.is_there and list(cache.iterdir()) == []


def test_one_that_fails_keeps_no_other_from_being_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def breaks(draft: Path) -> None:
        raise EngineError("no such module")

    bad, good = recipe(tmp_path, breaks, name="bad"), recipe(tmp_path, name="good")
    monkeypatch.setattr(command, "recipes", lambda: {"bad": bad, "good": good})
    assert command.main(["build"]) == 1
    assert "bad: no such module" in capsys.readouterr().err
    assert good.is_there
    assert command.main(["missing"]) == 0
    assert capsys.readouterr().out == "bad\n"
    assert command.main(["wait", "good"]) == 0


def test_a_name_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["build", "s4"]) == 1
    said = capsys.readouterr().err
    assert "no program s4" in said and all(name in said for name in recipes())
