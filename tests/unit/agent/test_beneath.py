"""What a link counts for: judged by its words, and opened only where every part of the way stays inside."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from pulumi_training.agent import beneath
from pulumi_training.agent.beneath import LeadsOut, NoFile, attempt_above, find_beneath, judge, open_beneath

HOME = "/training/run"


@pytest.fixture
def attempt(tmp_path: Path) -> Path:
    folder = tmp_path / "runs" / "fit-1" / "attempts" / "1"
    for name in ("launch", "outputs", "logs/std", "code"):
        (folder / name).mkdir(parents=True)
    (folder / "outputs" / "model.bin").write_bytes(b"own")
    (tmp_path / "secret").write_bytes(b"somebody's")
    return folder


def content(root: Path, path: str) -> bytes:
    file = open_beneath(str(root), path)
    with os.fdopen(file, "rb") as stream:
        return stream.read()


@pytest.mark.parametrize(
    "target",
    [
        "model.bin",
        "./model.bin",
        "../outputs/model.bin",
        "{root}/outputs/model.bin",
        "{root}/code/outputs/model.bin",
    ],
)
def test_a_link_that_stays_inside_is_opened(attempt: Path, target: str) -> None:
    (attempt / "outputs" / "last").symlink_to(target.format(root=attempt))

    assert content(attempt, "outputs/last") == b"own"
    assert find_beneath(str(attempt), "outputs/last")[0] == "outputs/model.bin"


@pytest.mark.parametrize(
    "target", ["{base}/secret", "../../../../../../secret", "/proc/self/environ", "../..", "/"]
)
def test_a_link_that_leads_out_is_never_opened(attempt: Path, tmp_path: Path, target: str) -> None:
    (attempt / "outputs" / "out").symlink_to(target.format(base=tmp_path))

    with pytest.raises(LeadsOut):
        open_beneath(str(attempt), "outputs/out")
    with pytest.raises(LeadsOut):
        find_beneath(str(attempt), "outputs/out")


def test_a_folder_that_is_a_link_out_hides_nothing_below_it(attempt: Path, tmp_path: Path) -> None:
    (attempt / "outputs" / "sub").symlink_to(tmp_path)

    with pytest.raises(LeadsOut):
        open_beneath(str(attempt), "outputs/sub/secret")


def test_links_that_stay_inside_one_by_one_do_not_lead_out_together(attempt: Path, tmp_path: Path) -> None:
    (attempt / "outputs" / "deep" / "er").mkdir(parents=True)
    (attempt / "up").symlink_to("outputs/deep/er")
    # By its words it is `secret` in the attempt's folder; the system would go up from outputs/deep/er.
    (attempt / "outputs" / "sly").symlink_to("../up/../../../../../../../../secret")

    with pytest.raises(LeadsOut):
        open_beneath(str(attempt), "outputs/sly")


def test_a_circle_and_a_link_to_nothing_end(attempt: Path) -> None:
    (attempt / "outputs" / "a").symlink_to("b")
    (attempt / "outputs" / "b").symlink_to("a")
    (attempt / "outputs" / "gone").symlink_to("nowhere")

    with pytest.raises(OSError, match="circle"):
        open_beneath(str(attempt), "outputs/a")
    with pytest.raises(FileNotFoundError):
        open_beneath(str(attempt), "outputs/gone")


def test_what_is_no_plain_file_is_not_opened(attempt: Path) -> None:
    os.mkfifo(attempt / "outputs" / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        here = os.open(attempt / "outputs", os.O_RDONLY)
        try:
            server.bind(f"/proc/self/fd/{here}/socket" if os.path.isdir("/proc/self/fd") else "socket")
        finally:
            os.close(here)
    for name, kind in (("pipe", "a named pipe"), ("socket", "a socket"), ("", "a folder")):
        with pytest.raises((NoFile, OSError)) as caught:
            open_beneath(str(attempt), f"outputs/{name}")
        if isinstance(caught.value, NoFile):
            assert caught.value.kind == kind


def test_an_absolute_link_counts_under_each_name_of_the_folder(attempt: Path, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(attempt)
    (attempt / "outputs" / "last").symlink_to(attempt / "outputs" / "model.bin")

    assert content(tmp_path / "alias", "outputs/last") == b"own"


def test_a_link_through_the_copy_of_the_source_outlives_it(attempt: Path) -> None:
    (attempt / "code").rmdir()
    (attempt / "outputs" / "last").symlink_to(attempt / "code" / "outputs" / "model.bin")

    assert content(attempt, "outputs/last") == b"own"


@pytest.mark.parametrize(
    ("path", "target", "leads_to"),
    [
        ("outputs/last", "step-1", "outputs/step-1"),
        ("outputs/a/last", "../step-1", "outputs/step-1"),
        ("outputs/last", "/training/run/outputs/x", "outputs/x"),
        ("outputs/last", "/training/run/code/outputs/x", "outputs/x"),
        ("outputs/log", "../logs/std/rank-0.log", "logs/std/rank-0.log"),
        ("outputs/last", "../code/outputs/x", "outputs/x"),
        ("outputs/all", "..", ""),
        ("outputs/out", "../../x", None),
        ("outputs/out", "/etc/passwd", None),
        ("outputs/out", "/training/run/../secret", None),
        ("outputs/out", "/training/runs/x", None),
        ("outputs/out", "/proc/self/environ", None),
    ],
)
def test_a_link_is_judged_by_its_words_on_the_machine_where_it_was_made(
    path: str, target: str, leads_to: str | None
) -> None:
    assert judge(path, target, HOME) == leads_to


@pytest.mark.parametrize("name", ["outputs/last", "last", "outputs/a/b/last"])
def test_a_link_that_is_written_anew_leads_to_the_same(name: str) -> None:
    target = beneath.relative(name, "outputs/x/y")

    assert judge(name, target, HOME) == "outputs/x/y"


def test_the_attempt_of_a_place_is_found_by_what_lies_there(attempt: Path, tmp_path: Path) -> None:
    assert attempt_above(str(attempt / "outputs" / "x")) == str(attempt)
    assert attempt_above(str(tmp_path / "attempts" / "1" / "x")) is None
