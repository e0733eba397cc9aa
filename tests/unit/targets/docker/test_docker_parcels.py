"""Files of this machine on their way into a container, in both forms."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from pulumi_training.spec.errors import PermanentError, SpecError
from pulumi_training.spec.outcome import Reason
from pulumi_training.targets.docker.contents import contents
from pulumi_training.targets.docker.data import CODE
from pulumi_training.targets.docker.parcels import Fill, parcel, send_parcel

REQUEST = {"launch": {"environment": {}}, "agent": ["python3"], "folders": [], "copies": []}


def as_tar(fill: Fill) -> bytes:
    return b"".join(parcel(fill, (0, 0)))


def as_sent(fill: Fill) -> bytes:
    sent = bytearray()
    send_parcel(sent.extend, fill, "/training/run")
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
    fill = contents({**REQUEST, "links": links}, run, "secret")  # type: ignore[arg-type]
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
