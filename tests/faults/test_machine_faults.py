"""What the machine itself does to a run: its clock is set, and its memory runs out."""

from __future__ import annotations

import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from services import missing
from world import SCRIPT, World

from pulumi_training.record.record import Record
from pulumi_training.spec.outcome import Reason

pytestmark = [pytest.mark.alone, pytest.mark.mpi, pytest.mark.timeout(300)]
Make = Callable[..., World]

GROUPS = Path("/sys/fs/cgroup")
MEBIBYTE = 1 << 20


@pytest.fixture(scope="module")
def clock_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What makes the clock of processes settable, compiled from `clock.c`."""
    compiler = shutil.which("cc")
    if compiler is None:
        missing("cc", "there is no C compiler")
    made = tmp_path_factory.mktemp("clock") / "clock.so"
    source = Path(__file__).with_name("clock.c")
    subprocess.run([str(compiler), "-shared", "-fPIC", "-O1", "-o", made, source], check=True)
    return made


@pytest.mark.parametrize("seconds", [-7200, 7200], ids=["the clock is set back", "the clock is set forward"])
def test_the_clock_is_set_while_ranks_run(make_world: Make, clock_library: Path, seconds: int) -> None:
    world = make_world()
    clock = world.root / "clock"
    clock.write_text("0")
    world.variables = {"LD_PRELOAD": str(clock_library), "FAULT_CLOCK": str(clock)}
    # Limits are about time that passed: neither is over because the clock says so.
    world.job |= {"maxRunDurationSeconds": 900, "stallTimeoutSeconds": 600, "queueTimeoutSeconds": 600}
    world.job["compute"]["pricePerNodeHour"] = 3.6
    plugin = world.start_up()
    world.reach("running")
    clock.write_text(str(seconds))
    world.release()
    answer = world.answer(plugin)
    assert answer is not None and answer["outcome"]["reason"] == "Completed", world.story()
    world.check()
    document = world.document()
    assert document is not None and document.started_at is not None and document.ended_at is not None
    # The clock that was set is the supervisor's, or the test proves nothing.
    assert abs(document.ended_at - document.started_at - seconds) < 600
    assert document.cost is not None and document.cost["seconds"] >= 0


@pytest.fixture
def memory_group() -> Iterator[Callable[[int], Path]]:
    """A cgroup of so many MiB: `memory_group(300)` gives the file that takes a process in."""
    made: list[Path] = []

    def make(mebibytes: int) -> Path:
        is_first = (GROUPS / "memory").is_dir()
        folder = (GROUPS / "memory" if is_first else GROUPS) / f"training-test-{uuid.uuid4().hex[:8]}"
        try:
            folder.mkdir()
            made.append(folder)
            limit = folder / ("memory.limit_in_bytes" if is_first else "memory.max")
            limit.write_text(str(mebibytes * MEBIBYTE))
        except OSError as error:
            missing("cgroup", f"no cgroup for memory can be made here: {error}")
        return folder / "cgroup.procs"

    yield make
    for folder in made:
        folder.rmdir()


@pytest.mark.slow
def test_memory_runs_out(make_world: Make, memory_group: Callable[[int], Path]) -> None:
    entry = memory_group(400)
    shell = shutil.which("sh")
    assert shell is not None
    world = make_world(rerunFailed="on_up")
    world.wrapper = [shell, "-c", f'echo $$ > "{entry}" && exec "$@"', "sh"]
    world.write_script(
        SCRIPT
        + """
if rank == "1" and not os.path.exists(f"{proof}/smaller"):
    hoard = [b"x" * (1 << 20) for _ in range(4096)]
if rank == "0" and not os.path.exists(f"{proof}/smaller"):
    await_go()
open(f"outputs/late-{rank}.txt", "w").write(attempt)
"""
    )
    answer = world.answer(world.start_up())
    assert answer is not None
    assert answer["outcome"]["reason"] == Reason.OUT_OF_MEMORY.value, world.story()
    assert answer["outcome"]["rank"] == 1, "the rank that hoarded is the one that is named"
    assert not world.left()
    (world.proof / "smaller").touch()
    world.wrapper = []
    world.bring_to_its_end()
    world.check()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """`small_disk("size=3m")` is a folder on a file system of its own; `again(folder, options)` changes it."""
    made: list[Path] = []

    def make(options: str) -> Path:
        place = tmp_path / f"disk-{len(made)}"
        place.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], capture_output=True, check=False
        )
        if done.returncode != 0:
            missing("mount", f"no file system can be mounted here: {done.stderr.decode()}")
        made.append(place)
        return place

    yield make
    for place in made:
        subprocess.run(["umount", "--lazy", place], check=True)


def remount(place: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", place], check=True, capture_output=True)


FILL = (
    SCRIPT
    + """
await_go()
with open(f"outputs/late-{rank}.txt", "w") as late:
    late.write(attempt)
open(f"outputs/model-{rank}.bin", "wb").write(bytes(range(256)) * 64)
open(f"{proof}/ready-{rank}", "w").close()
for other in range(int(os.environ["WORLD_SIZE"])):  # whose own files are to be on the disk before it is full
    await_go(f"ready-{other}")
try:
    with open(f"outputs/ballast-{rank}", "wb", buffering=0) as ballast:
        while True:
            ballast.write(bytes(4096))
except OSError:
    pass
if rank == "1":  # it goes on taking what becomes free, after the other's end
    end = time.monotonic() + 4
    with open(f"outputs/ballast-{rank}", "ab", buffering=0) as ballast:
        while time.monotonic() < end:
            try:
                ballast.write(bytes(4096))
            except OSError:
                time.sleep(0.001)
os._exit(int(os.environ.get("ENDS", "0")))
"""
)


def trained_once(world: World) -> None:
    """The one attempt completed with all it had written, and nothing was said in a traceback."""
    document, folder = world.document(), world.folder()
    assert document is not None and document.outcome is not None, world.story()
    assert document.outcome.reason is Reason.COMPLETED, world.story()
    assert document.attempt == 1 and len(world.journal()) == world.ranks, world.story()
    manifest = Record(world.store, document.run_id).attempt(1).manifest()
    assert manifest is not None
    kept = {entry.path: entry.size for entry in manifest.entries}
    assert all(kept[f"model-{rank}.bin"] == 16384 for rank in range(world.ranks))
    assert not list((folder / "launch").glob("room*")), "what was kept free is given back"
    no_traceback(world)
    world.check()


def no_traceback(world: World) -> None:
    for answer in world.root.glob("answer-*.json"):
        assert "Traceback" not in answer.read_text() and "mistake of pulumi" not in answer.read_text()


@pytest.mark.parametrize(
    ("ranks", "options", "secret"),
    [
        pytest.param(1, "size=3m", False, id="one rank"),
        pytest.param(2, "size=4m", False, id="two ranks, one of which still writes"),
        pytest.param(1, "size=3m", True, id="its output masked"),
    ],
)
def test_a_script_fills_the_disk_of_the_record_and_ends_well(
    make_world: Make, small_disk: Callable[..., Path], ranks: int, options: str, secret: bool
) -> None:
    world = make_world(ranks=ranks)
    place = small_disk(options)
    world.job["compute"]["store"] = str(place / "store")
    if secret:
        world.job["secretEnvironmentVariables"] = {"TOKEN": "a-token-of-theirs"}
    world.write_script(FILL)
    world.release()
    world.answer(world.start_up())
    no_traceback(world)
    remount(place, "size=32m")
    world.bring_to_its_end()
    trained_once(world)


def test_a_script_fills_the_disk_and_fails(make_world: Make, small_disk: Callable[..., Path]) -> None:
    """Its end is the script's, not a vanished supervisor's, which would train again by itself."""
    world = make_world(ranks=1, rerunFailed="on_change")
    place = small_disk("size=3m")
    world.job["compute"]["store"] = str(place / "store")
    world.job["environmentVariables"]["ENDS"] = "3"
    world.write_script(FILL)
    world.release()
    world.answer(world.start_up())
    remount(place, "size=32m")
    answer = world.up()
    assert answer["outcome"]["reason"] == "ScriptFailed" and answer["outcome"]["exit_code"] == 3, answer
    assert len(world.journal()) == 1
    no_traceback(world)


def test_a_disk_that_is_full_before_the_start_costs_no_attempt(
    make_world: Make, small_disk: Callable[..., Path]
) -> None:
    world = make_world(ranks=1)
    place = small_disk("size=3m")
    world.job["compute"]["store"] = str(place / "store")
    with (place / "ballast").open("wb", buffering=0) as ballast:
        ballast.write(bytes(3 * MEBIBYTE - (64 << 10)))
    world.release()
    answer = world.up("one")
    assert "error" in answer and "free some space" in answer["error"] and str(place) in answer["error"], (
        answer
    )
    (place / "ballast").unlink()
    world.bring_to_its_end()
    document = world.document()
    assert document is not None and document.attempt == 1 and len(world.journal()) == 1
    no_traceback(world)
    world.check()


def test_files_run_out_on_the_disk_before_the_script_ends(
    make_world: Make, small_disk: Callable[..., Path]
) -> None:
    world = make_world(ranks=1)
    place = small_disk("size=16m,nr_inodes=400")
    world.job["compute"]["store"] = str(place / "store")
    world.write_script(
        SCRIPT
        + """
open(f"outputs/late-{rank}.txt", "w").write(attempt)
open(f"outputs/model-{rank}.bin", "wb").write(bytes(range(256)) * 64)
await_go()
os.mkdir("outputs/crowd")
try:
    for number in range(1000):
        open(f"outputs/crowd/{number}", "w").close()
except OSError:
    pass
os._exit(0)
"""
    )
    world.release()
    world.answer(world.start_up())
    no_traceback(world)
    remount(place, "size=16m,nr_inodes=4000")
    world.bring_to_its_end()
    trained_once(world)
