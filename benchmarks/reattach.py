"""The plugin killed with SIGKILL during a run: the next one's start until it is attached to the run."""

from __future__ import annotations

import time
from pathlib import Path

from .bench import Bench
from .figure import Figure, most
from .killed_rank import await_ranks
from .pairs import each
from .plugin_process import Listener, Plugin, job, start
from .processes import is_running, wait_until
from .trees import make_source

SCRIPT = """import os, pathlib, time
pathlib.Path("outputs", "ready-" + os.environ.get("OMPI_COMM_WORLD_RANK", "0")).touch()
while not os.path.exists("outputs/stop"):
    time.sleep(0.02)
"""


def measure(bench: Bench) -> list[Figure]:
    """From the new process to the row that says what it adopted; the run then ends as if nothing had been."""
    place = bench.place("reattach")
    make_source(place / "src", SCRIPT)
    store = place / "store"
    taken = []
    for number in each(bench.rounds(5)):
        name = f"round-{number}"
        inputs = job(store, nodes=2, processes=2)
        first = _started(place)
        waiting = first.create_later(name, first.check(name, inputs))  # a dropped future is a canceled call
        folder = await_ranks(waiting, store, name, 4)
        first.process.kill()
        first.process.wait()
        waiting.exception()
        _closed(first)
        began = time.time()
        second = _started(place)
        future = second.create_later(name, second.check(name, inputs))
        taken.append(second.listener.wait_for("adopting attempt 1") - began)
        (folder / "outputs" / "stop").touch()
        future.result()
        _closed(second)
        run_id = folder.parents[1].name
        wait_until(lambda r=run_id: not is_running(store, r), "the run's processes to end", 30)
    return [Figure("plugin killed: next plugin start → attached again", taken, most(2.0))]


def _started(place: Path) -> Plugin:
    plugin = start(place, Listener())
    plugin.configure()
    return plugin


def _closed(plugin: Plugin) -> None:
    plugin.close()
    plugin.listener.stop()
