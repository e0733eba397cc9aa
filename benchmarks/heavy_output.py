"""Four ranks that print 100 MB each, beside the bare `mpirun` with its output to files.

There are two peers: `mpirun --output file=...`, which carries every byte through the launcher, and a shell in
each rank that redirects, which is the least there can be. Every byte of every log is compared with what was
printed, and the supervisor's memory is watched.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

from .bench import Bench
from .figure import Figure, Unit, most, ratio
from .pairs import interleaved
from .plugin_process import job, running
from .processes import MemoryWatch, supervisor_pid
from .raw_launch import RawLaunch, attempt_folder
from .trees import make_source

RANKS = 4
LINE = "rank {rank} block @@@@ line {line:04d} " + "x" * 71 + "\n"
LINES = 10_000
"""Lines of 100 bytes in a block of 1 MB; each names its rank, block and number."""
SCRIPT = f"""import os, sys
rank = int(os.environ["OMPI_COMM_WORLD_RANK"])
lines = "".join({LINE!r}.format(rank=rank, line=line) for line in range({LINES})).encode()
for block in range(int(os.environ["BLOCKS"])):
    sys.stdout.buffer.write(lines.replace(b"@@@@", b"%04d" % block))
sys.stdout.flush()
"""


def measure(bench: Bench) -> list[Figure]:
    """Wall time from the Create call to its answer, and what the run's supervisor took meanwhile."""
    place = bench.place("heavy-output")
    source = make_source(place / "src", SCRIPT)
    (source / "outputs").mkdir()
    blocks = 10 if bench.is_quick else 100
    store = place / "store"
    growth: list[float] = []
    lost: list[float] = []
    with running(place) as plugin:
        inputs = job(store, nodes=1, processes=RANKS, environmentVariables={"BLOCKS": str(blocks)})
        small = {**inputs, "environmentVariables": {"BLOCKS": "1"}}
        raw = RawLaunch.of(attempt_folder(plugin.create("warm", plugin.check("warm", small))))
        raw.environment["BLOCKS"] = str(blocks)

        def ours(number: int) -> float:
            name = f"round-{number}"
            checked = plugin.check(name, inputs)
            with MemoryWatch(lambda: _supervisor(store, name), every=0.03) as memory:
                started = time.perf_counter()
                outputs = plugin.create(name, checked)
                took = time.perf_counter() - started
            folder = attempt_folder(outputs)
            settled = memory.samples[3:-1]  # loading at the start, leaving at the end
            if len(settled) < 3:
                raise RuntimeError(f"the supervisor's memory was seen {len(settled)} times only")
            growth.append(max(settled) - min(settled))
            lost.append(
                sum(missing(folder / "logs" / "std" / f"rank-{r}.log", r, blocks) for r in range(RANKS))
            )
            shutil.rmtree(folder)
            return took

        def with_files(number: int) -> float:
            return _timed(raw, source, place / "raw", options=("--output", f"file={place}/raw/out"))

        def with_redirection(number: int) -> float:
            return _timed(raw, source, place / "raw", output=place / "raw")

        taken = interleaved(
            {"ours": ours, "files": with_files, "shell": with_redirection}, bench.rounds(3), warm_up=0
        )
    name = f"{RANKS} ranks printing {blocks} MB each"
    return [
        Figure(f"{name}: wall time", taken["ours"], ratio(1.2), taken["files"], "mpirun --output file"),
        Figure(f"{name}: wall time", taken["ours"], ratio(None), taken["shell"], "sh -c 'exec … > file'"),
        Figure(f"{name}: supervisor memory, most - least", growth, most(5.0), unit=Unit.MEGABYTES),
        Figure(f"{name}: lost", lost, most(0), unit=Unit.BYTES),
    ]


def block(rank: int, number: int) -> bytes:
    """What a rank prints as its block of that number."""
    return (
        "".join(LINE.format(rank=rank, line=line) for line in range(LINES))
        .encode()
        .replace(b"@@@@", b"%04d" % number)
    )


def missing(log: Path, rank: int, blocks: int) -> int:
    """How many bytes of what a rank printed are not in its log, or are not where they belong."""
    first, wrong = block(rank, 0), 0
    with log.open("rb") as stream:
        for number in range(blocks):
            expected = first.replace(b"block 0000", b"block %04d" % number)
            found = stream.read(len(expected))
            if found != expected:
                differ = sum(a != b for a, b in zip(expected, found, strict=False))
                wrong += len(expected) - len(found) + differ
        wrong += len(stream.read())
    return wrong


def _timed(raw: RawLaunch, source: Path, folder: Path, **how: Any) -> float:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    started = time.perf_counter()
    raw.run(source, **how)
    return time.perf_counter() - started


def _supervisor(store: Path, name: str) -> list[int]:
    pids = [supervisor_pid(store, run.name) for run in (store / "runs").glob(f"{name}-*")]
    return [pid for pid in pids if pid is not None]
