"""Cancel: until nothing of the run is left, with scripts that checkpoint and end, and with some that never would."""

from __future__ import annotations

import time
from pathlib import Path

import grpc

from pulumi_training.driver.stop import cancel
from pulumi_training.record.record import Record
from pulumi_training.record.store import Store

from .bench import Bench
from .figure import Figure, most
from .killed_rank import await_ranks
from .pairs import each
from .plugin_process import Plugin, job, running
from .processes import is_running, wait_until
from .trees import make_source

RANKS = 4
GRACE = 2.0
SCRIPT = """import os, pathlib, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN if os.environ["DEAF"] == "1" else lambda *_: sys.exit(1))
pathlib.Path("outputs", "ready-" + os.environ["OMPI_COMM_WORLD_RANK"]).touch()
while True:
    time.sleep(0.05)
"""


def measure(bench: Bench) -> list[Figure]:
    """The bound is grace + 1 s for scripts that ignore SIGTERM; those that obey need not wait for the grace."""
    place = bench.place("cancel")
    make_source(place / "src", SCRIPT)
    deaf, obedient = [], []
    with running(place) as plugin:
        for number in each(bench.rounds(4)):
            deaf.append(_cancel(plugin, place / "store", f"deaf-{number}", "1"))
            obedient.append(_cancel(plugin, place / "store", f"obedient-{number}", "0"))
    name = f"cancel of {RANKS} ranks → no process left"
    return [
        Figure(f"{name}, SIGTERM ignored, grace {GRACE:g} s", deaf, most(GRACE + 1.0)),
        Figure(f"{name}, SIGTERM obeyed", obedient, most(1.0)),
    ]


def _cancel(plugin: Plugin, store: Path, name: str, is_deaf: str) -> float:
    inputs = job(
        store, nodes=2, processes=2, gracePeriodSeconds=GRACE, environmentVariables={"DEAF": is_deaf}
    )
    future = plugin.create_later(name, plugin.check(name, inputs))
    folder = await_ranks(future, store, name, RANKS)
    run_id = folder.parents[1].name
    started = time.perf_counter()
    cancel(Record(Store.open(str(store)), run_id))
    wait_until(lambda: not is_running(store, run_id), "the run's processes to end", 30)
    took = time.perf_counter() - started
    if not isinstance(future.exception(), grpc.RpcError):
        raise RuntimeError("a canceled run was answered as a success")
    return took
