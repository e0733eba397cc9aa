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

from pulumi_training.spec.outcome import Reason

pytestmark = [pytest.mark.mpi, pytest.mark.timeout(300)]
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
