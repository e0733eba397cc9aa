"""A rank killed with SIGKILL: until Create is answered, with the failure that names it."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import grpc

from .bench import Bench
from .figure import Figure, most
from .pairs import each
from .plugin_process import job, running
from .processes import is_running, wait_until
from .trees import make_source

RANKS = 4
VICTIM = 2
SCRIPT = """import os, pathlib, time
rank = os.environ["OMPI_COMM_WORLD_RANK"]
pathlib.Path("outputs", "weights-" + rank + ".bin").write_bytes(os.urandom(250_000))
pathlib.Path("outputs", "ready-" + rank).touch()
time.sleep(300)
"""


def measure(bench: Bench) -> list[Figure]:
    """Four ranks, 1 MB of outputs in all; every round is a new run."""
    place = bench.place("killed-rank")
    make_source(place / "src", SCRIPT)
    store = place / "store"
    taken: list[float] = []
    with running(place) as plugin:
        for number in each(bench.rounds(5)):
            name = f"round-{number}"
            checked = plugin.check(name, job(store, nodes=2, processes=2))
            future = plugin.create_later(name, checked)
            folder = await_ranks(future, store, name, RANKS)
            facts = wait_until(lambda f=folder: _facts(f), f"the facts of rank {VICTIM}")
            os.kill(facts["script_pid"], signal.SIGKILL)
            killed = time.perf_counter()
            error = future.exception()
            taken.append(time.perf_counter() - killed)
            if not isinstance(error, grpc.RpcError) or f"rank {VICTIM}" not in reasons(error):
                raise RuntimeError(f"the answer does not name rank {VICTIM}: {error}")
            run_id = folder.parents[1].name
            wait_until(lambda r=run_id: not is_running(store, r), "the run's processes to end", 30)
    return [Figure(f"1 of {RANKS} ranks killed → Create answered", taken, most(2.0))]


def await_ranks(future: Any, store: Path, name: str, ranks: int) -> Path:
    """The attempt's folder once its ranks run. Raises RuntimeError where Create was answered before."""

    def look() -> Path | None:
        if future.done():
            raise RuntimeError(f"the job was answered before its ranks ran: {future.exception()}")
        return ready(store, name, ranks)

    folder: Path = wait_until(look, "the ranks")
    return folder


def ready(store: Path, name: str, ranks: int) -> Path | None:
    """The attempt's folder of the job, once each rank has written `outputs/ready-N`."""
    for folder in (store / "runs").glob(f"{name}-*/attempts/1"):
        if len(list((folder / "outputs").glob("ready-*"))) == ranks:
            return folder
    return None


def _facts(folder: Path) -> dict[str, Any] | None:
    try:
        facts: dict[str, Any] = json.loads((folder / "ranks" / f"{VICTIM}.json").read_bytes())
    except (OSError, ValueError):
        return None
    return facts if facts.get("script_pid") else None


def reasons(error: grpc.RpcError) -> str:
    trailing: Any = error.trailing_metadata()
    return str(error.details()) + " ".join(repr(value) for _, value in trailing or ())
