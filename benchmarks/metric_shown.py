"""A metric that a script writes: until a notebook's view shows it, and until TensorBoard would draw it.

The view is what `run.show()` displays at its own pace. TensorBoard is asked as its page asks when it is told to
reload; the page by itself does that every 15 s at most.
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from .bench import Bench
from .figure import Figure, most
from .pulumi_project import with_engine
from .trees import make_source

SCRIPT = """import json, os, time
for step in range(1, int(os.environ["STEPS"]) + 1):
    with open(os.environ["TRAINING_METRICS"], "a") as metrics, open("outputs/times", "a") as times:
        metrics.write(json.dumps({"step": step, "total": 99, "loss": 1 / step}) + "\\n")
        metrics.flush()
        times.write(f"{time.time()}\\n")
    time.sleep(1.37)
"""


def measure(bench: Bench) -> list[Figure]:
    """From the script's own clock to each of the two, step by step."""
    place = bench.place("metric-shown")
    make_source(place / "src", SCRIPT)
    os.environ["PATH"] = with_engine(os.environ)["PATH"]
    before = Path.cwd()
    os.chdir(place)  # a program's folder is where it is run
    try:
        return _measure(bench.rounds(15))
    finally:
        os.chdir(before)


def _measure(steps: int) -> list[Figure]:
    import pulumi_training as training
    from pulumi_training import local as target
    from pulumi_training.client.notebook_view import show

    workspace = target.Workspace("lab")
    cluster = target.ComputeCluster("cpu", workspace=workspace, slots_per_node=2)
    run: Any = training.Experiment(workspace, "metric").submit(
        training.Estimator(
            "./src",
            entry_script="train.py",
            compute_target=cluster,
            environment_variables={"STEPS": str(steps)},
        )
    )
    seen = _Cell()
    drawn: dict[int, float] = {}
    with training.Tensorboard([run]) as board:
        show(run, display=seen.display)
        asking = threading.Thread(target=_ask, args=(board.url, run.id, steps, drawn), daemon=True)
        asking.start()
        run.wait_for_completion()
        asking.join(30)
        times = [
            float(line) for line in Path(run.record.newest().folder, "outputs/times").read_text().split()
        ]
        seen.wait_for(steps)
    # The first two wait for what starts: the view's own first look, the first event file.
    later = range(3, steps + 1)
    return [
        Figure("metric written → notebook's view", [seen.at[n] - times[n - 1] for n in later], most(3.0)),
        Figure("metric written → TensorBoard", [drawn[n] - times[n - 1] for n in later], most(3.0)),
    ]


class _Cell:
    """A notebook's cell that notes when it first shows a step."""

    def __init__(self) -> None:
        self.at: dict[int, float] = {}

    def display(self, thing: Any, display_id: bool) -> _Cell:
        self.update(thing)
        return self

    def update(self, thing: Any) -> None:
        found = re.search(r"step (\d+) of", thing._repr_html_())
        for step in range(1, int(found[1]) + 1 if found else 1):
            self.at.setdefault(step, time.time())

    def wait_for(self, step: int) -> None:
        deadline = time.monotonic() + 30
        while step not in self.at and time.monotonic() < deadline:
            time.sleep(0.05)


def _ask(url: str, run_id: str, steps: int, drawn: dict[int, float]) -> None:
    place = f"{url}data/plugin/scalars/scalars?run={run_id}/metrics&tag=loss"
    while len(drawn) < steps:
        time.sleep(0.05)
        try:
            with urllib.request.urlopen(place, timeout=10) as answer:
                points = json.load(answer)
        except urllib.error.HTTPError:
            continue  # it does not know the curve yet
        except OSError:
            return  # the board has ended
        for point in points:
            drawn.setdefault(int(point[1]), time.time())
