"""Files of this machine on their way into a container, in both forms."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from pulumi_training.spec.errors import PermanentError, SpecError
from pulumi_training.spec.outcome import Reason
from pulumi_training.targets.containers.node_layout import CODE
from pulumi_training.targets.containers.node_payload import copy_data, node_payload
from pulumi_training.targets.containers.tar_upload import Fill, send_files, tar_of

REQUEST = {"launch": {"environment": {}}, "agent": ["python3"], "folders": [], "copies": []}


def as_tar(fill: Fill) -> bytes:
    return b"".join(tar_of(fill, (0, 0)))


def as_sent(fill: Fill) -> bytes:
    sent = bytearray()
    send_files(sent.extend, fill, "/training/run")
    return bytes(sent)


@pytest.mark.parametrize("form", [as_tar, as_sent])
def test_a_file_that_becomes_shorter_is_named(form: Callable[[Fill], bytes], tmp_path: Path) -> None:
    data = tmp_path / "data.bin"
    data.write_bytes(b"x" * 500_000)

    class Shrinking(type(tmp_path)):  # type: ignore[misc]
        def open(self, *arguments: object, **named: object) -> object:
            stream = super().open(*arguments, **named)
            stream.seek(0, io.SEEK_END)
            return stream

    with pytest.raises(PermanentError, match=r"data\.bin became shorter") as told:
        form(lambda into: into.copy(Shrinking(data), "/training/run/code/data.bin"))
    assert told.value.reason is Reason.DATA_UNAVAILABLE


@pytest.mark.parametrize("form", [as_tar, as_sent])
def test_a_folder_that_is_not_there_is_named(form: Callable[[Fill], bytes], tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="nowhere cannot be read: No such file or directory"):
        form(lambda into: into.copy(tmp_path / "nowhere", "/training/run/code"))


def names_of(code: Path, links: dict[str, str]) -> list[str]:
    run = SimpleNamespace(code=code, tracking={})
    fill = node_payload({**REQUEST, "links": links}, run, "secret")  # type: ignore[arg-type]
    with tarfile.open(fileobj=io.BytesIO(as_tar(fill))) as archive:
        return [f"/{name}" for name in archive.getnames() if f"/{name}".startswith(CODE)]


def test_data_takes_the_place_of_an_empty_folder_of_the_source(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "train.py").touch()
    assert names_of(tmp_path, {f"{CODE}/data": "/mnt/digits"}) == [CODE, f"{CODE}/train.py", f"{CODE}/data"]


def test_data_does_not_hide_what_the_source_has(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / ".gitkeep").touch()
    with pytest.raises(SpecError, match="data is in the source tree already; choose another pathOnCompute"):
        names_of(tmp_path, {f"{CODE}/data": "/mnt/digits"})


def copied(root: Path) -> dict[str, bytes | str]:
    """What a node gets of data: files with their content, links with what they say."""
    packed = io.BytesIO(b"".join(tar_of(lambda into: copy_data(into, root, "/training/data/x"), None)))
    found: dict[str, bytes | str] = {}
    with tarfile.open(fileobj=packed) as tar:
        for member in tar:
            name = member.name.removeprefix("training/data/x").lstrip("/")
            if member.issym():
                found[name] = member.linkname
            elif member.isreg():
                content = tar.extractfile(member)
                assert content is not None
                found[name] = content.read()
    return found


def test_links_of_data_lead_to_the_same_in_a_node(tmp_path: Path) -> None:
    data, big = tmp_path / "data", tmp_path / "big"
    data.mkdir()
    (big / "deep").mkdir(parents=True)
    (big / "deep" / "x").write_bytes(b"x")
    (big / "round").symlink_to(big)
    (data / "a").write_bytes(b"a")
    (data / "same").symlink_to("a")
    (data / "absolute").symlink_to(data / "a")
    (data / "train").symlink_to(big)
    (data / "one").symlink_to(big / "deep" / "x")
    (data / "gone").symlink_to("/nowhere")
    os.mkfifo(data / "pipe")

    assert copied(data) == {
        "a": b"a",
        "same": "a",
        "absolute": "a",
        "train/deep/x": b"x",
        "one": b"x",
        "gone": "/nowhere",
    }


def test_what_a_run_wrote_brings_nothing_else_into_a_node(tmp_path: Path) -> None:
    attempt = tmp_path / "runs" / "fit-1" / "attempts" / "1"
    for name in ("launch", "outputs", "logs"):
        (attempt / name).mkdir(parents=True)
    (tmp_path / "secret").write_bytes(b"somebody's")
    (attempt / "logs" / "own").write_bytes(b"log")
    (attempt / "outputs" / "log").symlink_to("../logs/own")
    (attempt / "outputs" / "secret").symlink_to(tmp_path / "secret")
    (attempt / "outputs" / "folder").symlink_to(tmp_path)

    found = copied(attempt / "outputs")

    assert found.pop("log") == b"log"
    assert set(found.values()) == {str(tmp_path / "secret"), str(tmp_path)}
