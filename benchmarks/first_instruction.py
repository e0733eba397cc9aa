"""From the Create call to the first instruction of the user's script, beside the bare `mpirun` of the same plan.

A warm environment, a source tree of 5 MB in 1,200 files, 4 ranks. Every round is a new run, so the tree is
digested, copied and archived as in real life. The script's first line takes the time.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

from .bench import Bench
from .figure import Figure, over
from .pairs import interleaved
from .plugin_process import job, running
from .raw_launch import RawLaunch, attempt_folder
from .trees import make_source

SCRIPT = """import time; first = time.time_ns()
import os, pathlib
pathlib.Path("outputs", "first-" + os.environ["OMPI_COMM_WORLD_RANK"]).write_text(str(first))
"""
FILES = 1200


def measure(bench: Bench) -> list[Figure]:
    """The first rank and the last rank; for both the peer's own first and last."""
    place = bench.place("first-instruction")
    source = make_source(place / "src", SCRIPT, files=FILES)
    with running(place) as plugin:
        inputs = job(place / "store", nodes=2, processes=2)

        def checked(name: str, number: int) -> dict[str, object]:
            return plugin.check(name, {**inputs, "environmentVariables": {"ROUND": str(number)}})

        raw = RawLaunch.of(attempt_folder(plugin.create("warm", checked("warm", 0))))
        (source / "outputs").mkdir()
        last: dict[str, list[float]] = {"ours": [], "mpirun": []}

        def ours(number: int) -> float:
            name = f"round-{number}".replace("--", "-before-")
            ready = checked(name, number)
            called = time.time_ns()
            outputs = plugin.create(name, ready)
            return _first_and_last("ours", called, attempt_folder(outputs) / "outputs", number)

        def bare(number: int) -> float:
            called = time.time_ns()
            raw.run(source)
            return _first_and_last("mpirun", called, source / "outputs", number)

        def _first_and_last(who: str, called: int, folder: Path, number: int) -> float:
            times = [(moment - called) / 1e9 for moment in _moments(folder)]
            if number >= 0:
                last[who].append(max(times))
            return min(times)

        first = interleaved({"ours": ours, "mpirun": bare}, bench.rounds(9))
    name = "Create call → first instruction"
    return [
        Figure(f"{name}, first of 4 ranks", first["ours"], over(0.4), first["mpirun"], "bare mpirun"),
        Figure(f"{name}, last of 4 ranks", last["ours"], over(None), last["mpirun"], "bare mpirun"),
    ]


def _moments(folder: Path) -> Iterable[int]:
    found = [int(path.read_text()) for path in folder.glob("first-*")]
    if len(found) != 4:
        raise RuntimeError(f"{len(found)} of 4 ranks ran in {folder}")
    return found
