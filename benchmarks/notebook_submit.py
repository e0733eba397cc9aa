"""A notebook's submit: until it returns, and from there to the first instruction of the script.

A warm environment, one process. Every round is a new run of one experiment, as when a person changes a parameter.
The notebook is a process of its own, which has imported what it needs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from .bench import COMPONENTS, Bench
from .figure import Figure, most
from .pulumi_project import with_engine
from .trees import make_source

SCRIPT = """import time; first = time.time()
import pathlib
pathlib.Path("outputs/first").write_text(str(first))
"""
NOTEBOOK = """
import json, sys, time
import pulumi_training as training
from pulumi_training import local as target
ws = target.Workspace("lab")
cpu = target.ComputeCluster("cpu", workspace=ws, slots_per_node=2)
experiment = training.Experiment(ws, "bench")
for line in sys.stdin:
    estimator = training.Estimator(
        "./src", entry_script="train.py", compute_target=cpu, environment_variables={"ROUND": line.strip()}
    )
    began = time.time()
    run = experiment.submit(estimator)
    returned = time.time()
    details = run.wait_for_completion()
    answer = {"began": began, "returned": returned, "outputs": str(run.record.newest().folder / "outputs")}
    print(json.dumps(answer), flush=True)
"""


def measure(bench: Bench) -> list[Figure]:
    """Both parts of it, bounded alone."""
    place = bench.place("notebook-submit")
    make_source(place / "src", SCRIPT)
    returned, first = [], []
    with subprocess.Popen(
        [sys.executable, "-c", NOTEBOOK],
        cwd=place,
        env={**with_engine(os.environ), "PYTHONPATH": str(COMPONENTS)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as notebook:
        assert notebook.stdin is not None and notebook.stdout is not None
        for number in range(-1, bench.rounds(7)):
            notebook.stdin.write(f"{number}\n")
            notebook.stdin.flush()
            answer = json.loads(notebook.stdout.readline())
            if number < 0:
                continue
            returned.append(answer["returned"] - answer["began"])
            began = float(Path(answer["outputs"], "first").read_text())
            first.append(began - answer["returned"])
            time.sleep(0.5)  # the engine's last words belong to the round before
        notebook.stdin.close()
    return [
        Figure("notebook: submit returns", returned, most(1.0)),
        Figure("notebook: submit returned → first instruction", first, most(6.0)),
    ]
