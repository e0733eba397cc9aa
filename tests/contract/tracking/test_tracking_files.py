"""What artifacts in the folder weigh, and that nobody who edits one changes the record."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pulumi_training.tracking.files import WORTH_SHARING, send_folder, share

NOBODY = 65534


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of an ordinary user, who this test is; root becomes nobody for as long as it takes."""
    with tempfile.TemporaryDirectory() as made:
        is_root = os.geteuid() == 0
        if is_root:
            os.chown(made, NOBODY, NOBODY)
            os.seteuid(NOBODY)
        try:
            yield Path(made)
        finally:
            if is_root:
                os.seteuid(0)


def weight(folder: Path) -> int:
    """Bytes on the disk of all files, each counted once however many names it has."""
    found = {(each.st_dev, each.st_ino): each.st_blocks * 512 for each in map(Path.stat, folder.iterdir())}
    return sum(found.values())


def test_a_large_file_takes_its_space_once_and_cannot_be_edited_in_place(folder: Path) -> None:
    model, artifact = folder / "model.bin", folder / "artifact.bin"
    model.write_bytes(os.urandom(8 * WORTH_SHARING))
    before = weight(folder)
    share(str(model), str(artifact))
    assert artifact.read_bytes() == model.read_bytes()
    if artifact.samefile(model):
        assert weight(folder) == before
        with pytest.raises(PermissionError):
            artifact.write_bytes(b"edited")
    else:  # a clone: its blocks are shared until one of the two is written
        kept = model.read_bytes()
        artifact.write_bytes(b"edited")
        assert model.read_bytes() == kept
    model.unlink()  # retention takes the record's file
    assert artifact.stat().st_size


def test_a_small_file_is_a_copy(folder: Path) -> None:
    (folder / "log").write_bytes(b"epoch 1")
    share(str(folder / "log"), str(folder / "artifact"))
    (folder / "artifact").write_bytes(b"edited")
    assert (folder / "log").read_bytes() == b"epoch 1"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root writes what is read-only")
def test_files_of_root_are_never_one_file_under_two_names(tmp_path: Path) -> None:
    model = tmp_path / "model.bin"
    model.write_bytes(os.urandom(2 * WORTH_SHARING))
    kept = model.read_bytes()
    share(str(model), str(tmp_path / "artifact.bin"))
    (tmp_path / "artifact.bin").write_bytes(b"edited")
    assert model.read_bytes() == kept


def test_a_link_in_the_outputs_becomes_what_it_points_at(folder: Path) -> None:
    (folder / "model.bin").write_bytes(os.urandom(2 * WORTH_SHARING))
    (folder / "best").symlink_to("model.bin")
    share(str(folder / "best"), str(folder / "artifact"))
    assert not (folder / "artifact").is_symlink()
    assert (folder / "artifact").read_bytes() == (folder / "model.bin").read_bytes()


def test_what_is_sent_twice_is_there_once(folder: Path) -> None:
    (folder / "model.bin").write_bytes(os.urandom(2 * WORTH_SHARING))
    for _ in range(2):
        share(str(folder / "model.bin"), str(folder / "artifact"))
    assert sorted(path.name for path in folder.iterdir()) == ["artifact", "model.bin"]


@pytest.mark.parametrize("is_near", [True, False])
def test_artifacts_are_what_the_run_put_out_and_nothing_its_links_lead_to(
    tmp_path: Path, is_near: bool
) -> None:
    from mlflow import MlflowClient

    secret = tmp_path / "aside" / "secret"
    secret.parent.mkdir()
    secret.write_bytes(b"somebody's")
    outputs = tmp_path / "runs" / "fit-1" / "attempts" / "1" / "outputs"
    outputs.mkdir(parents=True)
    (outputs / "model").write_bytes(b"weights")
    (outputs / "last").symlink_to("model")
    (outputs / "secret").symlink_to(secret)
    (outputs / "folder").symlink_to(secret.parent)
    os.mkfifo(outputs / "pipe")
    with (outputs / "sparse").open("wb") as stream:
        stream.truncate(64 << 20)
    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")
    place = tmp_path / "artifacts"
    experiment = client.create_experiment("fit", artifact_location=place.as_uri() if is_near else str(place))
    run = client.create_run(experiment)
    run.info._artifact_uri = run.info.artifact_uri if is_near else str(place / run.info.run_id / "artifacts")

    send_folder(client, run, outputs, "outputs")

    found = {path.name: path for path in place.rglob("*") if path.is_file()}
    assert set(found) == {"model", "last", "sparse"}
    assert found["last"].read_bytes() == b"weights"
    assert all(b"somebody's" not in path.read_bytes()[:100] for path in found.values())
    if is_near:
        assert found["sparse"].stat().st_blocks * 512 < 1 << 20
