"""The benchmarks by name, in the order of the table."""

from __future__ import annotations

import importlib
from collections.abc import Iterable

from .bench import Bench
from .figure import Figure, failed

NAMES = (
    "first_instruction",
    "notebook_submit",
    "metric_shown",
    "submit_peers",
    "plugin_start",
    "no_change",
    "tree_digest",
    "heavy_output",
    "jobs_at_once",
    "killed_rank",
    "cancel",
    "reattach",
    "finished_runs",
    "docker_runs",
    "docker_mpi",
    "docker_peers",
    "downloads",
)
COMPARED = (
    "plugin_start",
    "first_instruction",
    "notebook_submit",
    "no_change",
    "killed_rank",
    "reattach",
    "tree_digest",
)
"""Those that two checkouts are compared by where nothing else is asked for: a few minutes for twenty pairs."""


def measure(bench: Bench, names: Iterable[str]) -> list[Figure]:
    """The figures of the benchmarks; one that cannot be carried out is a line of the table, as failed."""
    figures: list[Figure] = []
    for name in names:
        bench.say(f"{name} ...")
        try:
            figures += importlib.import_module(f"benchmarks.{name}").measure(bench)
        except Exception as error:  # noqa: BLE001 - the others are measured nevertheless, and the run fails
            bench.say(f"{name}: {type(error).__name__}: {error}")
            text = str(error) or type(error).__name__
            figures.append(failed(name.replace("_", " "), text.splitlines()[0][:200]))
    return figures
