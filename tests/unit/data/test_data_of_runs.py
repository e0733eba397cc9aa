"""What a run wrote, taken as data: its links count only inside of its attempt's folder."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import fsspec
import pytest

from pulumi_training.data.fingerprint import fingerprint
from pulumi_training.data.transfer import download, upload

TOKEN = b"somebody-elses-4711"


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    folder = tmp_path / "runs" / "fit-1" / "attempts" / "1"
    for name in ("launch", "outputs/step", "logs", "code/.training/outputs/out"):
        (folder / name).mkdir(parents=True)
    made = folder / "outputs"
    (made / "model").write_bytes(b"weights")
    (made / "step" / "x").write_bytes(b"x")
    (made / "last").symlink_to("model")
    return made


@pytest.fixture
def planted(outputs: Path, tmp_path: Path) -> Path:
    (tmp_path / "aside").mkdir()
    (tmp_path / "aside" / "secret").write_bytes(TOKEN)
    (outputs / "secret").symlink_to(tmp_path / "aside" / "secret")
    (outputs / "folder").symlink_to(tmp_path / "aside")
    (outputs / "environ").symlink_to("/proc/self/environ")
    os.mkfifo(outputs / "pipe")
    return outputs


def contents(folder: Path) -> dict[str, bytes]:
    files = [Path(base, name) for base, _, names in os.walk(folder) for name in names]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


WHOLE = {"model": b"weights", "last": b"weights", "step/x": b"x"}


def test_links_out_change_no_fingerprint(
    outputs: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    before = fingerprint(str(outputs))
    request.getfixturevalue("planted")
    assert fingerprint(str(outputs)) == before
    (tmp_path / "aside" / "secret").write_bytes(b"another")
    assert fingerprint(str(outputs)) == before


@pytest.mark.parametrize("is_far", [False, True])
def test_links_out_are_not_delivered_and_are_named(planted: Path, tmp_path: Path, is_far: bool) -> None:
    goal = f"memory://{uuid.uuid4().hex}/goal" if is_far else str(tmp_path / "goal")
    told: list[str] = []
    upload(planted, goal, told.append)

    if is_far:
        fs = fsspec.filesystem("memory")
        root = goal.removeprefix("memory:/")
        found = {name.removeprefix(f"{root}/"): fs.cat_file(name) for name in fs.find(root)}
    else:
        found = contents(tmp_path / "goal")
    assert found == WHOLE
    warnings = [line for line in told if line.startswith("warning: ")]
    assert len(warnings) == 1 and "left out" in warnings[0] and "environ" in warnings[0]


def test_links_out_are_not_downloaded_under_another_name_of_the_folder(planted: Path, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(planted)
    for name in (planted, tmp_path / "alias"):
        to = tmp_path / f"to-{name.name}"
        download(str(name), to)
        assert contents(to) == WHOLE


def test_one_file_of_a_run_that_leads_out_is_no_data(planted: Path, tmp_path: Path) -> None:
    download(str(planted / "model"), tmp_path / "one")
    assert (tmp_path / "one").read_bytes() == b"weights"
    to = tmp_path / "other"
    download(str(planted / "folder"), to)
    assert TOKEN not in b"".join(contents(to).values())


def test_a_persons_own_links_in_data_count_as_ever(tmp_path: Path) -> None:
    (tmp_path / "big").mkdir()
    (tmp_path / "big" / "x").write_bytes(b"x")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train").symlink_to(tmp_path / "big")

    download(str(tmp_path / "data"), tmp_path / "to")

    assert contents(tmp_path / "to") == {"train/x": b"x"}


def test_copied_data_has_its_holes(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with (tmp_path / "data" / "sparse").open("wb") as stream:
        stream.truncate(64 << 20)

    download(str(tmp_path / "data"), tmp_path / "to")

    state = (tmp_path / "to" / "sparse").stat()
    assert state.st_size == 64 << 20 and state.st_blocks * 512 < 1 << 20
