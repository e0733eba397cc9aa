"""One script submitted by us, by TorchX 0.7 and by MLflow Projects, each from a warm process of its own.

Submit until the script's first instruction, and the same submit once more without a change, until its result is at
hand: we return the run that is there, the others run the script again. They keep no record that outlives the machine's
temporary files (TorchX) or copy no source (both); they are told to take their interpreter as it is.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from .bench import Bench
from .figure import Figure, ratio
from .notebook_submit import NOTEBOOK, Notebook
from .pairs import interleaved

SCRIPT = """import time; first = time.time()
import os, pathlib, sys
pathlib.Path(os.environ["FIRST"]).write_text(str(first))
"""
OURS = NOTEBOOK.replace('{"ROUND": line.strip()}', '{"FIRST": line.strip()}')
TORCHX = """
import json, logging, os, sys, time
logging.disable(logging.CRITICAL)
from torchx.runner import get_runner
with get_runner() as runner:
    for line in sys.stdin:
        os.environ["FIRST"] = line.strip()
        began = time.time()
        handle = runner.run_component("utils.python", ["--script", "src/train.py"], scheduler="local_cwd")
        runner.wait(handle, wait_interval=0.01)
        print(json.dumps({"began": began, "ended": time.time()}), flush=True)
"""
MLFLOW = """
import json, logging, os, sys, time
logging.disable(logging.CRITICAL)
import mlflow
mlflow.set_tracking_uri("sqlite:///mlflow.db")
mlflow.set_experiment("bench")
for line in sys.stdin:
    os.environ["FIRST"] = line.strip()
    began = time.time()
    mlflow.projects.run("src", env_manager="local", experiment_name="bench", parameters={})
    print(json.dumps({"began": began, "ended": time.time()}), flush=True)
"""


def measure(bench: Bench) -> list[Figure]:
    """Side by side, without a bound."""
    place = bench.place("submit-peers")
    (place / "src").mkdir()
    (place / "src" / "train.py").write_text(SCRIPT)
    (place / "src" / "MLproject").write_text(
        f"name: bench\nentry_points:\n  main:\n    command: '{sys.executable} train.py'\n"
    )
    torchx = torchx_python(bench)
    with (
        Notebook(place, OURS) as ours,
        Notebook(place, TORCHX, torchx) as theirs,
        Notebook(place, MLFLOW) as mlflow,
    ):
        notebooks = {"ours": ours, "TorchX 0.7": theirs, "MLflow Projects": mlflow}
        again: dict[str, list[float]] = {name: [] for name in notebooks}

        def round_of(name: str) -> Callable[[int], float]:
            def take(number: int) -> float:
                file = place / f"{name.split()[0]}-{number}".replace("--", "-before-")
                first = notebooks[name].ask(str(file))
                moment = float(file.read_text())
                second = notebooks[name].ask(str(file))
                if number >= 0:
                    again[name].append(second["ended"] - second["began"])
                return moment - first["began"]

            return take

        taken = interleaved({name: round_of(name) for name in notebooks}, bench.rounds(7))
    peers = [name for name in notebooks if name != "ours"]
    return [
        *(
            Figure("submit → first instruction", taken["ours"], ratio(None), taken[name], name)
            for name in peers
        ),
        *(
            Figure("submit unchanged → result at hand", again["ours"], ratio(None), again[name], name)
            for name in peers
        ),
    ]


def torchx_python(bench: Bench) -> str:
    """The Python of a throwaway environment with TorchX."""
    venv = bench.place("torchx") / "venv"
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "-q", "--python", sys.executable, str(venv)], check=True)
    python = str(Path(venv, "bin", "python"))
    subprocess.run([*uv, "pip", "install", "-q", "--python", python, "torchx==0.7.0"], check=True)
    return python
