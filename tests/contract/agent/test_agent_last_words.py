"""The last words of a run on a disk that takes no more: into the room that was kept, or to another place."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from services import missing

from pulumi_training.agent import facts
from pulumi_training.agent.pump import Pump
from pulumi_training.record.store import Store
from pulumi_training.spec.attribution import RankFacts, attribute, launch_of_markers
from pulumi_training.spec.outcome import Reason, Status
from pulumi_training.targets.contract.handle import Handle
from pulumi_training.targets.local import last_words
from pulumi_training.targets.local.observe import observe

BLOCK = 4096


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """The folder of an attempt on a file system of 1 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], capture_output=True)
    if done.returncode != 0:
        missing("mount", f"no file system can be mounted here: {done.stderr.decode()}")
    folder = place / "runs" / "fit" / "attempts" / "1"
    for name in ("launch", "ranks", "logs/std"):
        (folder / name).mkdir(parents=True)
    yield folder
    subprocess.run(["umount", "--lazy", place], check=True)


def fill(folder: Path) -> None:
    """Leaves not a block."""
    with (folder / "ballast").open("ab", buffering=0) as stream:
        try:
            while True:
                stream.write(bytes(BLOCK))
        except OSError:
            return


def test_a_last_word_goes_where_its_room_was_kept_and_nobody_can_take_that(disk: Path) -> None:
    facts.keep_room(str(disk), "0", 2 * BLOCK)
    facts.keep_room(str(disk), "end", 2 * BLOCK)
    fill(disk)
    with pytest.raises(OSError, match="No space"):
        facts.write_json(str(disk / "ranks" / "0.json"), {"rank": 0})
    facts.write_last(str(disk), "ranks/0.json", {"rank": 0, "success": True})
    fill(disk)  # a script that goes on writing has nothing of it
    facts.write_last(str(disk), "launch/end.json", {"ranks_expected": 1})
    assert facts.read_json(str(disk / "ranks" / "0.json")) == {"rank": 0, "success": True}
    assert facts.read_json(str(disk / "launch" / "end.json")) == {"ranks_expected": 1}
    assert sorted(path.name for path in (disk / "launch").iterdir()) == ["end.json"]


def test_room_that_was_not_needed_is_given_back(disk: Path) -> None:
    facts.keep_room(str(disk), "3", 2 * BLOCK)
    facts.write_last(str(disk), "ranks/3.json", {"rank": 3})
    assert list((disk / "launch").iterdir()) == []


def test_a_last_word_too_long_for_its_room_takes_the_runs(disk: Path) -> None:
    facts.keep_room(str(disk), "end", BLOCK)
    (disk / facts.ROOM).write_bytes(bytes(16 * BLOCK))
    fill(disk)
    facts.write_last(str(disk), "launch/end.json", {"words": "x" * 2 * BLOCK})
    assert len(facts.read_json(str(disk / "launch" / "end.json"))["words"]) == 2 * BLOCK


@pytest.mark.parametrize("how", ["full", "read-only"])
def test_where_the_folder_takes_nothing_the_words_wait_elsewhere(
    disk: Path, how: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TRAINING_STATE_DIR", str(tmp_path / "state"))
    request = {"node_count": 1, "process_count_per_node": 1}
    (disk / "launch" / "launch.json").write_text(json.dumps(request))
    for name in ("agent.lock", "launcher.log"):
        (disk / "launch" / name).touch()
    root = disk.parents[3]
    if how == "full":
        fill(disk)
    else:
        subprocess.run(["mount", "-o", "remount,ro", root], check=True)
    spare = str(last_words.spare_folder(disk))
    facts.write_last(str(disk), "ranks/0.json", {"rank": 0, "state": "exited", "success": True}, spare)
    facts.write_last(str(disk), "launch/end.json", {"ranks_expected": 1, "exit_code": 0}, spare)
    handle = Handle("local", "fit", 1, str(disk))
    for options in (None, "remount,rw,size=4m"):
        if options:
            assert not (disk / "launch" / "end.json").exists()
            subprocess.run(["mount", "-o", options, root], check=True)
        seen = observe(handle)
        assert seen.status is Status.COMPLETED and seen.launch is not None
        assert [rank.success for rank in seen.ranks] == [True]
    assert (disk / "launch" / "end.json").exists() and (disk / "ranks" / "0.json").exists()
    assert not Path(spare).exists()


def test_the_output_of_a_script_is_masked_though_the_disk_is_full(disk: Path) -> None:
    fill(disk)
    log = os.open(disk / "logs" / "std" / "rank-0.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    pump = Pump(log, ["hunter2"])
    for _ in range(8):
        os.write(pump.write_end, b"x" * 60000)
        pump.move()
    (disk / "ballast").unlink()
    os.write(pump.write_end, b"the hunter2 end")
    os.close(pump.write_end)
    pump.drain()
    text = (disk / "logs" / "std" / "rank-0.log").read_text()
    assert "bytes of output could not be written here" in text
    assert text.endswith("end") and "hunter2" not in text


def test_what_cannot_be_said_ends_nobody(disk: Path) -> None:
    program = "from pulumi_training.agent.facts import say; say('x' * 9999)"
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        assert subprocess.run([sys.executable, "-c", program], stderr=full).returncode == 0


def ranks(*states: str) -> list[RankFacts]:
    kinds = {
        "good": {"state": "exited", "success": True, "exit_code": 0},
        "bad": {"state": "exited", "exit_code": 3, "ended_at": 5.0},
        "stopped": {"state": "exited", "success": True, "stopped_by_us": True},
        "lost": {"state": "exited", "lost": True},
        "running": {"state": "running"},
    }
    return [RankFacts(rank, **kinds[state]) for rank, state in enumerate(states)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("states", "expected", "reason"),
    [
        (("good", "good"), 2, Reason.COMPLETED),
        (("good", "bad"), 2, Reason.SCRIPT_FAILED),
        (("good",), 2, Reason.SUPERVISOR_LOST),
        (("good", "running"), 2, Reason.SUPERVISOR_LOST),
        (("good", "stopped"), 2, Reason.SUPERVISOR_LOST),
        (("good", "lost"), 2, Reason.SUPERVISOR_LOST),
        ((), 0, Reason.SUPERVISOR_LOST),
        (("good",), 0, Reason.SUPERVISOR_LOST),
    ],
)
def test_markers_of_every_rank_are_believed_before_a_lost_supervisor(
    states: tuple[str, ...], expected: int, reason: Reason
) -> None:
    found = ranks(*states)
    assert attribute(launch_of_markers(expected, found), found).reason is reason


def test_an_attempts_document_takes_its_room_and_gives_it_back(disk: Path) -> None:
    from pulumi_training.record.documents import AttemptDocument
    from pulumi_training.record.record import Record
    from pulumi_training.record.store import StoreError
    from pulumi_training.spec.outcome import Outcome

    shutil.rmtree(disk.parents[2])
    attempt = Record(Store.open(str(disk.parents[3])), "fit").attempt(1)
    attempt.create(AttemptDocument("fit", 1, target="local"))
    attempt.keep_room()
    room = attempt.folder / facts.ROOM
    size = room.stat().st_size
    assert room.stat().st_blocks * 512 >= size >= 64 << 10, "a hole is no room"
    fill(disk.parents[3])
    with pytest.raises(StoreError, match="free some space"):
        attempt.update(progress="for show")
    assert room.exists()
    attempt.event("finalizing", "collecting")
    attempt.update(outcome=Outcome(Reason.COMPLETED))
    attempt.event("ended", "")
    attempt.write_manifest()
    assert not room.exists() and attempt.document().status is Status.COMPLETED
    with pytest.raises(StoreError, match="no room"):
        fill(disk.parents[3])
        Record(Store.open(str(disk.parents[3])), "fit").attempt(1).keep_room()
