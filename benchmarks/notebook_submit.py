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
from typing import Any

from .bench import COMPONENTS, Bench
from .figure import Figure, most
from .pairs import each
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
    answer = {"began": began, "returned": returned, "ended": time.time(), "outputs": str(run.record.newest().folder / "outputs")}
    print(json.dumps(answer), flush=True)
"""


def measure(bench: Bench) -> list[Figure]:
    """Both parts of it, bounded alone."""
    place = bench.place("notebook-submit")
    make_source(place / "src", SCRIPT)
    returned, first = [], []
    with Notebook(place, NOTEBOOK) as notebook:
        for number in each(bench.rounds(7), warm_up=1):
            answer = notebook.ask(str(number))
            if number < 0:
                continue
            returned.append(answer["returned"] - answer["began"])
            first.append(float(Path(answer["outputs"], "first").read_text()) - answer["returned"])
            time.sleep(0.5)  # the engine's last words belong to the round before
    return [
        Figure("notebook: submit returns", returned, most(1.0)),
        Figure("notebook: submit returned → first instruction", first, most(6.0)),
    ]


class Notebook:
    """A process that stays and answers each line with a line of JSON, as a kernel does with cells."""

    def __init__(self, place: Path, program: str, python: str = sys.executable) -> None:
        self._process = subprocess.Popen(
            [python, "-c", program],
            cwd=place,
            env={
                **with_engine(os.environ),
                **({"PYTHONPATH": str(COMPONENTS)} if python == sys.executable else {}),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, line: str) -> dict[str, Any]:
        """The answer to a line. Raises RuntimeError where the process has ended."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        while said := self._process.stdout.readline():
            if said.startswith("{"):  # everything else is talk
                answer: dict[str, Any] = json.loads(said)
                return answer
        raise RuntimeError(f"the notebook ended with {self._process.wait()}")

    def __enter__(self) -> Notebook:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)
