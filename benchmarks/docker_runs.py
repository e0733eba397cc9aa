"""Runs in containers: the first instruction beside `docker run` and `mpirun` by hand, and a killed node.

Needs a Docker daemon with `training-base:bookworm` (tools/docker-base). Two ranks in one container: by hand there is
no way across containers without an ssh server in the image (docker_mpi has one). By hand the source is mounted once,
which needs a daemon on this machine, and once copied, as we do it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import grpc

from .bench import Bench
from .figure import Figure, most, ratio
from .killed_rank import reasons
from .pairs import each, interleaved
from .plugin_process import docker_job, running
from .processes import wait_until
from .raw_launch import attempt_folder
from .trees import make_source

BASE = "training-base:bookworm"
SCRIPT = """import time; first = time.time_ns()
import os, pathlib
pathlib.Path("outputs", "first-" + os.environ["OMPI_COMM_WORLD_RANK"]).write_text(str(first))
if os.environ.get("WAIT"):
    print("ready", flush=True)
    time.sleep(300)
"""


def measure(bench: Bench) -> list[Figure]:
    """The image is at the daemon; every round is a new run with the same image."""
    if (
        not shutil.which("docker")
        or subprocess.run(["docker", "image", "inspect", BASE], capture_output=True).returncode
    ):
        bench.say(f"docker_runs: left out, no Docker daemon with {BASE} answers")
        return []
    place = bench.place("docker-runs")
    source = make_source(place / "src", SCRIPT)
    bundle = os.environ.get("SSL_CERT_FILE", "")
    environment = {"image": BASE, **({"caBundle": bundle} if bundle else {})}
    with running(place) as plugin:

        def checked(name: str, nodes: int, processes: int, **variables: str) -> dict[str, Any]:
            inputs = docker_job(place / "store", environment, nodes=nodes, processes=processes, **variables)
            return plugin.check(name, inputs)

        def ours(number: int) -> float:
            name = f"docker-{number}".replace("--", "-before-")
            ready = checked(name, 1, 2, ROUND=str(number))
            called = time.time_ns()
            return _first(attempt_folder(plugin.create(name, ready)) / "outputs", called)

        ours(-9)  # builds the image
        launch = next(place.glob("store/runs/docker-*/attempts/1/attempt.json"))
        image = _image_of(launch)

        launch = [
            image["image"], "--allow-run-as-root", "--bind-to", "none", "--map-by", ":OVERSUBSCRIBE", "-n", "2",
            *image["script"],
        ]  # fmt: skip
        options = ["-w", "/run-1", "--entrypoint", image["mpirun"]]

        def mounted(number: int) -> float:
            outputs = place / f"by-hand-{number}"
            outputs.mkdir()
            called = time.time_ns()
            mounts = ["-v", f"{source}:/code:ro", "-v", f"{outputs}:/run-1/outputs"]
            _docker("run", "--rm", *mounts, *options, *launch)
            return _first(outputs, called)

        def copied(number: int) -> float:
            name = f"training-bench-{number}"
            tree = place / f"tree-{number}"
            shutil.copytree(source, tree / "code")
            (tree / "run-1" / "outputs").mkdir(parents=True)
            called = time.time_ns()
            _docker("create", "--name", name, *options, *launch)
            try:
                _docker("cp", f"{tree}/.", f"{name}:/")
                _docker("start", "-a", name)
                _docker("cp", f"{name}:/run-1/outputs/.", str(tree))
            finally:
                _docker("rm", "-f", name)
            return _first(tree, called)

        first = interleaved({"ours": ours, "mounted": mounted, "copied": copied}, bench.rounds(9))
        lost = [_killed_node(plugin, place, checked, number) for number in each(bench.rounds(5))]
    words = "docker: Create call → first instruction, image there"
    return [
        Figure(words, first["ours"], ratio(1.3), first["mounted"], "docker run -v mpirun"),
        Figure(words, first["ours"], ratio(None), first["copied"], "docker create, cp, start"),
        Figure("docker: node killed → Create answered with its name", lost, most(3.0)),
    ]


def _killed_node(plugin: Any, place: Path, checked: Any, number: int) -> float:
    name = f"node-{number}"
    future = plugin.create_later(name, checked(name, 2, 1, WAIT="1"))

    def ready() -> Path | None:
        if future.done():
            raise RuntimeError(f"the job was answered before its ranks ran: {future.exception()}")
        for folder in place.glob(f"store/runs/{name}-*/attempts/1"):
            logs = [folder / "logs" / "std" / f"rank-{rank}.log" for rank in range(2)]
            if all(log.exists() and b"ready" in log.read_bytes() for log in logs):
                return folder
        return None

    folder: Path = wait_until(ready, "the ranks")
    container = f"{folder.parents[1].name}-a1-1"
    subprocess.run(["docker", "kill", "--signal", "KILL", container], check=True, capture_output=True)
    killed = time.perf_counter()
    error = future.exception()
    taken = time.perf_counter() - killed
    if not isinstance(error, grpc.RpcError) or container not in reasons(error):
        raise RuntimeError(f"the answer does not name {container}: {error}")
    return taken


def _docker(*words: str) -> None:
    subprocess.run(["docker", *words], check=True, capture_output=True)


def _image_of(attempt: Path) -> dict[str, Any]:
    request = json.loads(attempt.read_text())["plan"]["request"]
    return {
        "image": request["image"],
        "script": [*request["launch"]["script"][:-1], "/code/train.py"],
        "mpirun": request["launch"]["launcher"][0],
    }


def _first(folder: Path, called: int) -> float:
    found = [int(path.read_text()) for path in folder.glob("first-*")]
    if len(found) != 2:
        raise RuntimeError(f"{len(found)} of 2 ranks ran in {folder}")
    return (min(found) - called) / 1e9
