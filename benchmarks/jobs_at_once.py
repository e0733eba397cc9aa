"""Fifty jobs at once on two slots: the plugin's memory, and a resource of another provider in the same stack."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from .bench import COMPONENTS, Bench
from .figure import Figure, Unit, most, over
from .many_jobs import PARALLEL, PROGRAM
from .pairs import each
from .processes import MemoryWatch
from .pulumi_project import Project, make_project
from .trees import make_source

SECONDS = 580
DELAY = 1.0
"""Seconds that the other resource may take longer than among resources that do nothing: starting fifty
supervisors keeps every core busy."""


def measure(bench: Bench) -> list[Figure]:
    """The other resource is declared last; its time is from its declaration to its id in the program."""
    count = 12 if bench.is_quick else 50
    jobs = make_project(bench, "jobs-at-once", PROGRAM)
    twin = make_project(bench, "nothings-at-once", PROGRAM)
    for project in (jobs, twin):
        make_source(project.folder / "src", "import time\ntime.sleep(0.2)\n", files=40)
    memory, ours, peer, walls = [], [], [], []
    for _ in each(bench.rounds(3)):
        peer.append(_other(twin, "noop", count, None))
        started = time.perf_counter()
        with MemoryWatch(lambda: plugins(bench.folder), every=0.2) as watch:
            ours.append(_other(jobs, "training", count, watch))
        walls.append(time.perf_counter() - started)
        memory.append(max(watch.samples))
        for project in (jobs, twin):
            project.run("destroy", "--yes", "--skip-preview", "--parallel", PARALLEL)
    name = f"{count} jobs at once on 2 slots"
    return [
        Figure(f"{name}: plugin memory, most", memory, most(200.0), unit=Unit.MEGABYTES),
        Figure(f"{name}: another resource's create", ours, over(DELAY), peer, "among no-op resources"),
        Figure(f"{name}: `pulumi up`", walls, most(None)),
    ]


def plugins(folder: Path) -> list[int]:
    """The plugin's processes below a folder's projects; supervisors are not among them."""
    return [process.pid for process in _plugins(str(folder))]


def _other(project: Project, kind: str, count: int, watch: MemoryWatch | None) -> float:
    note = project.folder / "other"
    note.unlink(missing_ok=True)
    arguments = ("up", "--yes", "--skip-preview", "--parallel", PARALLEL)
    process = project.start(*arguments, KIND=kind, COUNT=str(count), SLOTS="2", OTHER=str(note))
    try:
        said, _ = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    if process.returncode:
        raise RuntimeError(f"pulumi up of {count} {kind}: exit code {process.returncode}\n{said[-3000:]}")
    return float(note.read_text())


def _plugins(folder: str) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            line = process.cmdline()
            is_plugin = any(
                word.rstrip("/") in (str(COMPONENTS), f"{COMPONENTS}/__main__.py") for word in line[1:3]
            )
            if is_plugin and process.environ().get("TRAINING_STATE_DIR", "").startswith(folder):
                yield process
        except (psutil.Error, OSError):
            continue
