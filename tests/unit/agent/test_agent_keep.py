"""What outputs link to: kept where it is the run's own, named where it is not, and never more than was asked for."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from pulumi_training.agent.keep import Keeping, Own, keep

PARTS = ["outputs", "logs"]


@pytest.fixture
def attempt(tmp_path: Path) -> Path:
    folder = tmp_path / "runs" / "fit-1" / "attempts" / "1"
    for name in ("launch", "outputs", "logs/std", "code/scratch"):
        (folder / name).mkdir(parents=True)
    for name in PARTS:
        (folder / "code" / name).symlink_to(f"../{name}")
    return folder


def settle(folder: Path, *, owns: bool = False, without: tuple[str, ...] = ()) -> dict[str, str]:
    """What stays out, with its reason, as it is noted."""
    keep(str(folder), PARTS, owns=owns, without=without)
    note = folder / "launch" / "links-0.json"
    left: dict[str, str] = json.loads(note.read_bytes())["left"] if note.exists() else {}
    return left


@pytest.mark.parametrize("target", ["../code/scratch/m", "{code}/scratch/m", "../scratch/m"])
def test_a_file_of_the_copy_of_the_source_is_kept(attempt: Path, target: str) -> None:
    (attempt / "code" / "scratch" / "m").write_text("worked")
    link = attempt / "outputs" / "m"
    link.symlink_to(target.format(code=attempt / "code"))

    assert settle(attempt) == {}
    assert not link.is_symlink() and link.read_text() == "worked"


def test_a_folder_is_kept_with_the_links_in_it(attempt: Path) -> None:
    work = attempt / "code" / "scratch"
    (work / "step-3").mkdir()
    (work / "step-3" / "weights").write_text("w")
    (work / "last").symlink_to("step-3")
    (work / "again").symlink_to(work)
    (work / "out").symlink_to("/etc/passwd")
    os.mkfifo(work / "pipe")
    (attempt / "outputs" / "ckpt").symlink_to(work)

    left = settle(attempt)

    kept = attempt / "outputs" / "ckpt"
    assert not kept.is_symlink() and (kept / "last" / "weights").read_text() == "w"
    assert os.readlink(kept / "last") == "step-3"
    assert set(left) == {"outputs/ckpt/out", "outputs/ckpt/pipe"}


def test_links_of_folders_to_each_other_end(attempt: Path) -> None:
    a, b = attempt / "code" / "a", attempt / "code" / "b"
    for one, other in ((a, b), (b, a)):
        one.mkdir()
        (one / "file").write_text(one.name)
        (one / "other").symlink_to(other)
    (attempt / "outputs" / "a").symlink_to(a)

    left = settle(attempt)

    assert (attempt / "outputs" / "a" / "other" / "file").read_text() == "b"
    assert list(left) == ["outputs/a/other/other"]


@pytest.mark.parametrize("target", ["{base}/secret", "{base}", "/", "../../..", "/proc/self/environ"])
def test_what_is_not_the_runs_own_stays_out_as_it_is(attempt: Path, tmp_path: Path, target: str) -> None:
    (tmp_path / "secret").write_text("somebody's")
    link = attempt / "outputs" / "out"
    link.symlink_to(target.format(base=tmp_path))

    assert list(settle(attempt)) == ["outputs/out"]
    assert link.is_symlink()


def test_what_is_no_plain_file_is_named_and_not_opened(attempt: Path) -> None:
    os.mkfifo(attempt / "outputs" / "pipe")
    (attempt / "outputs" / "to-pipe").symlink_to("pipe")
    os.mkfifo(attempt / "code" / "scratch" / "pipe")
    (attempt / "outputs" / "to-other").symlink_to("../code/scratch/pipe")
    here = os.getcwd()
    os.chdir(attempt / "logs")
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("socket")
    finally:
        os.chdir(here)

    left = settle(attempt)

    assert left["outputs/pipe"] == "is a named pipe"
    assert left["logs/socket"] == "is a socket"
    assert "a named pipe" in left["outputs/to-other"]


def test_dangling_links_and_circles_are_named(attempt: Path) -> None:
    (attempt / "outputs" / "gone").symlink_to("nothing")
    (attempt / "outputs" / "a").symlink_to("b")
    (attempt / "outputs" / "b").symlink_to("a")

    left = settle(attempt)

    assert set(left) == {"outputs/gone", "outputs/a", "outputs/b"}
    assert "nowhere" in left["outputs/gone"] and "circles" in left["outputs/a"]


def test_an_absolute_link_to_another_output_outlives_a_moved_record(attempt: Path, tmp_path: Path) -> None:
    (attempt / "outputs" / "step-3").write_text("w")
    (attempt / "outputs" / "last").symlink_to(attempt / "code" / "outputs" / "step-3")
    (attempt / "outputs" / "best").symlink_to("last")

    assert settle(attempt) == {}
    attempt.rename(tmp_path / "moved")
    assert (tmp_path / "moved" / "outputs" / "best").read_text() == "w"


def test_a_machine_that_is_there_for_the_run_gives_what_is_on_it(attempt: Path, tmp_path: Path) -> None:
    (tmp_path / "big").mkdir()
    (tmp_path / "big" / "model.bin").write_text("weights")
    (tmp_path / "secret").write_text("secret")
    for name, target in (
        ("model.bin", tmp_path / "big" / "model.bin"),
        ("big", tmp_path / "big"),
        ("secret", tmp_path / "secret"),
        ("environ", Path("/proc/self/environ")),
        ("null", Path("/dev/null")),
        ("root", Path("/")),
        ("run-secret", Path("/run/secrets/token")),
    ):
        (attempt / "outputs" / name).symlink_to(target)
    own = Own(str(attempt), owns=True, without=(str(tmp_path / "secret"),))
    if own.why_not(str(tmp_path / "big" / "model.bin")):
        pytest.skip("the temporary folder of this machine is mounted from somewhere else")

    left = settle(attempt, owns=True, without=(str(tmp_path / "secret"),))

    assert (attempt / "outputs" / "model.bin").read_text() == "weights"
    assert (attempt / "outputs" / "big" / "model.bin").read_text() == "weights"
    assert set(left) == {f"outputs/{name}" for name in ("secret", "environ", "null", "root", "run-secret")}


def test_what_is_mounted_is_nobodys_own(attempt: Path) -> None:
    own = Own(str(attempt), owns=True)
    own._foreign, own._near = ("/data", "/etc/hosts", "/run/secrets"), ("/", "/data", "/tmp", "/etc/hosts")

    for place in ("/data/x", "/etc/hosts", "/proc/1/environ", "/sys/kernel/x", "/run/secrets/x", "/dev/sda"):
        assert own.why_not(place)
    for place in ("/tmp/big/model", "/etc/os-release", "/dev/shm/x", "/datax"):
        assert own.why_not(place) == ""


def test_a_folder_of_the_scripts_own_in_the_place_of_outputs_is_taken(attempt: Path) -> None:
    (attempt / "outputs" / "early").write_text("early")
    (attempt / "outputs" / "same").write_text("old")
    (attempt / "code" / "outputs").unlink()
    (attempt / "code" / "outputs" / "deep").mkdir(parents=True)
    (attempt / "code" / "outputs" / "deep" / "x").write_text("x")
    (attempt / "code" / "outputs" / "same").write_text("new")

    assert settle(attempt) == {}
    assert (attempt / "outputs" / "early").read_text() == "early"
    assert (attempt / "outputs" / "deep" / "x").read_text() == "x"
    assert (attempt / "outputs" / "same").read_text() == "new"


def test_a_link_in_the_place_of_outputs_is_taken_or_named(attempt: Path, tmp_path: Path) -> None:
    (attempt / "code" / "scratch" / "m").write_text("m")
    (attempt / "outputs").rmdir()
    (attempt / "outputs").symlink_to("code/scratch")
    (tmp_path / "aside").mkdir()
    (tmp_path / "aside" / "secret").write_text("somebody's")
    (attempt / "logs" / "std").rmdir()
    (attempt / "logs").rmdir()
    (attempt / "logs").symlink_to(tmp_path / "aside")

    left = settle(attempt)

    assert not (attempt / "outputs").is_symlink() and (attempt / "outputs" / "m").read_text() == "m"
    assert not (attempt / "logs").is_symlink() and not (attempt / "logs" / "secret").exists()
    assert str(tmp_path / "aside") in left["logs"]


def test_settling_twice_is_settling_once(attempt: Path) -> None:
    (attempt / "code" / "scratch" / "m").write_text("worked")
    (attempt / "outputs" / "m").symlink_to("../code/scratch/m")
    (attempt / "outputs" / "gone").symlink_to("nothing")

    first = settle(attempt)
    assert settle(attempt) == first
    (attempt / "outputs" / "gone").unlink()
    assert settle(attempt) == {}
    assert sorted(os.listdir(attempt / "outputs")) == ["m"]


def test_what_is_kept_keeps_its_holes_and_its_time(attempt: Path, tmp_path: Path) -> None:
    big = tmp_path / "big"
    with big.open("wb") as stream:
        stream.truncate(64 << 20)
    os.utime(big, (1_000_000_000, 1_000_000_000))
    (attempt / "outputs" / "big").symlink_to(big)
    keeping = Keeping(str(attempt), PARTS, Own(str(attempt), owns=True))
    keeping._own._foreign = ()

    keeping.run()

    kept = (attempt / "outputs" / "big").lstat()
    assert (kept.st_size, kept.st_mtime) == (64 << 20, 1_000_000_000)
    assert kept.st_blocks * 512 < 1 << 20


def test_a_link_with_control_characters_is_one_harmless_line(attempt: Path) -> None:
    (attempt / "outputs" / "sly").symlink_to("no\x1b[2Jthing\nwarning: all is well" + "x" * 300)

    why = settle(attempt)["outputs/sly"]

    assert "\x1b" not in why and "\n" not in why and len(why) < 300


def test_what_a_killed_one_left_half_copied_is_taken_away(attempt: Path) -> None:
    (attempt / "outputs" / "deep" / ".~keep-7-1.tmp").mkdir(parents=True)
    (attempt / "outputs" / "deep" / ".~keep-7-1.tmp" / "half").write_text("half")
    (attempt / "outputs" / ".~keep-7-2.tmp").write_text("half")

    assert settle(attempt) == {}
    assert [path.name for path in (attempt / "outputs").rglob("*")] == ["deep"]
