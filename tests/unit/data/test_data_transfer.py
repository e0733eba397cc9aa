from __future__ import annotations

import os
import shutil
import time
from collections import namedtuple
from pathlib import Path
from typing import Any

import fsspec
import pytest

from pulumi_training.data import transfer
from pulumi_training.data.mount import cached_copy, deliver, materialise, mount, place_outputs
from pulumi_training.data.objects import Objects
from pulumi_training.data.references import resolve
from pulumi_training.data.temporaries import temporary_beside
from pulumi_training.data.transfer import download, upload
from pulumi_training.spec.data import DataMode, InputSpec, OutputSpec
from pulumi_training.spec.errors import PermanentError, SpecError, TransientError
from pulumi_training.spec.outcome import Reason


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "program" / "data"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.csv").write_bytes(b"1,2\n" * 100)
    (folder / "deep" / "b.csv").write_bytes(b"3,4\n")
    (folder / "empty").write_bytes(b"")
    return folder


@pytest.fixture
def code(tmp_path: Path) -> Path:
    folder = tmp_path / "run" / "code"
    folder.mkdir(parents=True)
    (folder / "train.py").write_text("print(1)")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }


def test_data_goes_to_a_store_and_back(data: Path, bucket: str, tmp_path: Path) -> None:
    lines: list[str] = []
    sent = upload(data, f"{bucket}/d", lines.append)
    assert (sent.files, sent.bytes, sent.kept) == (3, 404, 0)
    assert lines[-1] == f"delivered to {bucket}/d: 3 of 3 files, 404 B of 404 B"
    assert upload(data, f"{bucket}/d").kept == 3
    got = download(f"{bucket}/d", tmp_path / "back")
    assert (got.files, got.kept) == (3, 0)
    assert contents(tmp_path / "back") == contents(data)
    assert download(f"{bucket}/d", tmp_path / "back").kept == 3


def test_only_what_changed_comes_again(data: Path, bucket: str, tmp_path: Path) -> None:
    upload(data, f"{bucket}/d")
    download(f"{bucket}/d", tmp_path / "back")
    (tmp_path / "back" / "a.csv").write_bytes(b"9,9\n" * 100)
    (tmp_path / "back" / "mine.txt").write_text("stays")
    assert download(f"{bucket}/d", tmp_path / "back").files == 1
    assert (tmp_path / "back" / "a.csv").read_bytes() == b"1,2\n" * 100
    assert (tmp_path / "back" / "mine.txt").exists()
    (data / "deep" / "b.csv").write_bytes(b"5,6\n")
    assert upload(data, f"{bucket}/d").files == 1
    assert fsspec.filesystem("memory").cat_file(f"{bucket}/d/deep/b.csv") == b"5,6\n"


def test_a_killed_download_goes_on(
    data: Path, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload(data, f"{bucket}/d")
    real, got = Objects.get, []

    def get(self: Objects, path: str, destination: str) -> None:
        if len(got) == 2:
            Path(destination).write_bytes(b"half")
            raise KeyboardInterrupt
        got.append(path)
        real(self, path, destination)

    monkeypatch.setattr(transfer, "_THREADS", 1)
    monkeypatch.setattr(Objects, "get", get)
    with pytest.raises(KeyboardInterrupt):
        download(f"{bucket}/d", tmp_path / "back")
    assert sorted(contents(tmp_path / "back")) == sorted(got), (
        "no half file under its name, no temporary file"
    )
    monkeypatch.setattr(Objects, "get", real)
    assert download(f"{bucket}/d", tmp_path / "back").files == 1
    assert contents(tmp_path / "back") == contents(data)


def test_a_part_of_an_object_is_fetched_again(
    data: Path, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload(data, f"{bucket}/d")
    real, tries = Objects.get, []

    def get(self: Objects, path: str, destination: str) -> None:
        tries.append(path)
        real(self, path, destination)
        if tries.count(path) < 3 and path == "a.csv":
            os.truncate(destination, 10)

    monkeypatch.setattr(Objects, "get", get)
    download(f"{bucket}/d", tmp_path / "back")
    assert tries.count("a.csv") == 3
    assert contents(tmp_path / "back") == contents(data)


def test_a_wrong_checksum_is_fetched_again_and_then_refused(
    data: Path, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload(data, f"{bucket}/d")
    real = Objects.files
    monkeypatch.setattr(Objects, "files", lambda self: [o._replace(md5="0" * 32) for o in real(self)])
    with pytest.raises(PermanentError, match=r"failed 4 times.*another checksum") as raised:
        download(f"{bucket}/d", tmp_path / "back")
    assert raised.value.reason is Reason.DATA_UNAVAILABLE
    assert contents(tmp_path / "back") == {}


def test_the_same_content_by_md5_is_kept_without_a_journal(
    data: Path, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload(data, f"{bucket}/d")
    download(f"{bucket}/d", tmp_path / "back")
    shutil.rmtree(tmp_path / "cache")
    real = Objects.files
    sums = {p: transfer._md5(data / p) for p in contents(data)}
    monkeypatch.setattr(Objects, "files", lambda self: [o._replace(md5=sums[o.path]) for o in real(self)])
    assert download(f"{bucket}/d", tmp_path / "back").kept == 3


def test_a_store_that_does_not_answer_is_asked_again(
    data: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[str] = []

    def put(self: Objects, source: str, path: str) -> Any:
        tries.append(path)
        raise TransientError("503")

    monkeypatch.setattr(transfer, "_THREADS", 1)
    monkeypatch.setattr(Objects, "put", put)
    with pytest.raises(PermanentError, match=r"The data stays in .*failed 4 times, at last: 503") as raised:
        upload(data, f"{bucket}/d")
    assert raised.value.reason is Reason.COLLECT_FAILED and tries == ["a.csv"] * 4


def test_a_disk_too_small_is_said_before_anything_comes(
    data: Path, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload(data, f"{bucket}/d")
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(transfer.shutil, "disk_usage", lambda folder: usage(100, 90, 10))
    with pytest.raises(PermanentError, match=r"needs 404 B and .* has 10 B free"):
        download(f"{bucket}/d", tmp_path / "back")
    assert not (tmp_path / "back" / "a.csv").exists()


def test_an_object_is_not_written_outside(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsspec.filesystem("memory").pipe_file(f"{bucket}/d/x", b"1")
    real = Objects.files
    monkeypatch.setattr(Objects, "files", lambda self: [o._replace(path="../../x") for o in real(self)])
    with pytest.raises(PermanentError, match="outside"):
        download(f"{bucket}/d", tmp_path / "back")


def test_a_single_object_is_a_file(data: Path, bucket: str, tmp_path: Path) -> None:
    upload(data / "a.csv", f"{bucket}/a.csv")
    download(f"{bucket}/a.csv", tmp_path / "deep" / "a.csv")
    assert (tmp_path / "deep" / "a.csv").read_bytes() == (data / "a.csv").read_bytes()
    download(str(data / "a.csv"), tmp_path / "b.csv")
    assert (tmp_path / "b.csv").read_bytes() == (data / "a.csv").read_bytes()


def test_folders_are_copied_by_content(data: Path, tmp_path: Path) -> None:
    assert download("data", tmp_path / "copy", base=tmp_path / "program").files == 3
    assert download(str(data), tmp_path / "copy").kept == 3
    (tmp_path / "copy" / "a.csv").write_bytes(b"9,9\n" * 100)
    again = upload(data, str(tmp_path / "copy"))
    assert (again.files, again.kept) == (1, 2)
    assert contents(tmp_path / "copy") == contents(data)


def test_a_folder_is_mounted_as_it_is(data: Path, tmp_path: Path) -> None:
    link = mount(str(data), tmp_path / "run" / "digits")
    (link / "new.csv").write_text("written by the script")
    assert (data / "new.csv").exists()
    assert mount(str(data), link) == link
    (tmp_path / "taken").write_text("x")
    with pytest.raises(SpecError, match="taken is in the source tree already"):
        mount(str(data), tmp_path / "taken")


def test_an_object_store_is_mounted_as_a_copy_with_a_warning(data: Path, bucket: str, tmp_path: Path) -> None:
    upload(data, f"{bucket}/d")
    lines: list[str] = []
    link = mount(f"{bucket}/d", tmp_path / "run" / "digits", lines.append)
    assert contents(link.resolve()) == contents(data)
    assert lines[0].startswith(f"warning: {bucket}/d is used as a copy")
    assert (link / "a.csv").stat().st_mode & 0o222 == 0
    lines.clear()
    mount(f"{bucket}/d", tmp_path / "run" / "digits", lines.append)
    assert len(lines) == 1, "the copy is made once"


def test_a_copy_that_was_cut_short_is_finished(
    data: Path, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload(data, f"{bucket}/d")
    real = Objects.get

    def get(self: Objects, path: str, destination: str) -> None:
        if path == "empty":
            raise KeyboardInterrupt
        real(self, path, destination)

    monkeypatch.setattr(Objects, "get", get)
    with pytest.raises(KeyboardInterrupt):
        cached_copy(resolve(f"{bucket}/d"))
    monkeypatch.setattr(Objects, "get", real)
    assert contents(cached_copy(resolve(f"{bucket}/d"))) == contents(data)


def test_inputs_are_put_where_the_script_finds_them(data: Path, bucket: str, code: Path) -> None:
    upload(data, f"{bucket}/d")
    inputs = {
        "as-it-is": InputSpec(uri="./data"),
        "mounted": InputSpec(uri="./data", path_on_compute="input/digits"),
        "copied": InputSpec(uri="./data", mode=DataMode.DOWNLOAD),
        "fetched": InputSpec(uri=f"{bucket}/d", mode=DataMode.DOWNLOAD, path_on_compute="fetched"),
        "remote": InputSpec(uri=f"{bucket}/d"),
    }
    for _ in range(2):
        paths = materialise(inputs, code, [].append, base=data.parent)
    assert paths == {
        "as-it-is": str(data),
        "mounted": str(code / "input" / "digits"),
        "copied": str(code / ".training" / "data" / "copied"),
        "fetched": str(code / "fetched"),
        "remote": str(code / ".training" / "data" / "remote"),
    }
    for path in paths.values():
        assert contents(Path(path).resolve()) == contents(data)
    (Path(paths["copied"]) / "a.csv").write_text("changed by the script")
    assert (data / "a.csv").read_bytes() == b"1,2\n" * 100


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (InputSpec(uri="./dat"), r"inputs\.digits.*Did you mean data"),
        (InputSpec(uri="./data", path_on_compute="../out"), "not inside the script's folder"),
        (InputSpec(uri="./data", path_on_compute="/etc/data"), "not inside the script's folder"),
        (InputSpec(uri="./data", path_on_compute="train.py"), "train.py is in the source tree already"),
        (InputSpec(uri="./data", mode=DataMode.UPLOAD), "upload is for outputs"),
    ],
)
def test_an_input_that_cannot_be_had_is_named(data: Path, code: Path, spec: InputSpec, words: str) -> None:
    with pytest.raises(PermanentError, match=words) as raised:
        materialise({"digits": spec}, code, [].append, base=data.parent)
    assert raised.value.reason is Reason.DATA_UNAVAILABLE
    assert (code / "train.py").read_text() == "print(1)"


def test_outputs_are_delivered_after_the_run(data: Path, bucket: str, code: Path, tmp_path: Path) -> None:
    outputs = {
        "model": OutputSpec(uri=f"{bucket}/models", path_on_compute="export"),
        "report": OutputSpec(uri="./reports"),
        "live": OutputSpec(uri="./live", mode=DataMode.MOUNT, path_on_compute="live"),
        "far": OutputSpec(uri=f"{bucket}/far", mode=DataMode.MOUNT),
    }
    lines: list[str] = []
    base = data.parent
    paths = place_outputs(outputs, code, lines.append, base=base)
    assert lines == [
        f"warning: {bucket}/far cannot be mounted on this machine; it is delivered to after the run"
    ]
    for name, path in paths.items():
        (Path(path) / "file").write_text(name)
    assert (base / "live" / "file").read_text() == "live"
    done = deliver(outputs, code, lines.append, base=base)
    assert sorted(done) == ["far", "model", "report"]
    assert fsspec.filesystem("memory").cat_file(f"{bucket}/models/file") == b"model"
    assert (base / "reports" / "file").read_text() == "report"
    assert deliver(outputs, code, lines.append, base=base)["model"].kept == 1


def test_an_output_that_cannot_be_delivered_is_named(code: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    outputs = {"model": OutputSpec(uri=str(tmp_path / "file" / "models"))}
    (Path(place_outputs(outputs, code, [].append)["model"]) / "m").write_text("x")
    with pytest.raises(PermanentError, match=r"outputs\.model: .*The data stays in") as raised:
        deliver(outputs, code, [].append)
    assert raised.value.reason is Reason.COLLECT_FAILED


def left_by_a_kill(folder: Path, seconds: float) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    left = temporary_beside(folder / "a.csv")
    left.write_text("half of")
    os.utime(left, (time.time() - seconds, time.time() - seconds))
    return left


def test_what_a_killed_transfer_left_is_no_data_and_goes(data: Path, tmp_path: Path) -> None:
    left_by_a_kill(data, 10.0)
    there = tmp_path / "there"
    old, young = left_by_a_kill(there / "deep", 7200.0), left_by_a_kill(there / "deep", 10.0)
    assert download(str(data), there).files == 3
    assert sorted(p.name for p in there.rglob("*") if p.is_file()) == sorted(
        ["a.csv", "b.csv", "empty", young.name]
    )
    assert not old.exists()


def test_a_copy_in_the_cache_has_nothing_half_in_it(data: Path, bucket: str) -> None:
    upload(data, f"{bucket}/d")
    place = resolve(f"{bucket}/d")
    first = cached_copy(place)
    left = left_by_a_kill(first / "deep", 1.0)
    (first.parent / "complete").unlink()
    assert cached_copy(place) == first and not left.exists()


def test_a_destination_that_is_in_the_way_is_named(data: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "deep").write_text("a file")
    with pytest.raises(PermanentError, match=r"cannot be brought to .*/there: .*deep") as told:
        download(str(data), tmp_path / "there")
    assert told.value.reason is Reason.DATA_UNAVAILABLE
