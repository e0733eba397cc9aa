"""What 200 finished runs cost: `runs list`, and `pulumi refresh` beside resources that do nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from .bench import Bench
from .figure import Figure, most, ratio
from .many_jobs import finished
from .pairs import interleaved, timed


def measure(bench: Bench) -> list[Figure]:
    """The command line's own start is the floor of `runs list`."""
    count = 40 if bench.is_quick else 200
    jobs = finished(bench, count)
    command = str(Path(sys.prefix) / "bin" / "pulumi-training")
    store = str(jobs.jobs.folder / ".training" / "lab")

    def run(*arguments: str) -> str:
        return subprocess.run(
            [command, *arguments], check=True, timeout=60, capture_output=True, text=True
        ).stdout

    shown = run("runs", "list", "--store", store, "--limit", "0")
    if shown.count("Completed") != jobs.count:
        raise RuntimeError(f"`runs list` shows {shown.count('Completed')} of {jobs.count} runs")
    listing = interleaved(
        {
            "list": timed(lambda: run("runs", "list", "--store", store, "--limit", "0")),
            "version": timed(lambda: run("--version")),
        },
        bench.rounds(9),
    )
    refreshing = interleaved(
        {kind: timed(lambda kind=kind: jobs.refresh(kind)) for kind in ("training", "noop")}, bench.rounds(5)
    )
    return [
        Figure(
            f"`runs list` of {count} finished runs",
            listing["list"],
            most(0.5),
            listing["version"],
            "--version",
        ),
        Figure(
            f"`pulumi refresh` of {count} finished jobs",
            refreshing["training"],
            ratio(2.0),
            refreshing["noop"],
            "no-op provider",
        ),
    ]
