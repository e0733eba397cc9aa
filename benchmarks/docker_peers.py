"""One script in one container of one image: the first instruction with us and with TorchX 0.7's local_docker.

Needs a Docker daemon with `training-base:bookworm` (tools/docker-base). TorchX is measured in two ways: with its
workspace, which brings a changed script by building an image, as we bring it by copying; and with the script mounted,
which only a daemon on the same machine can do and leaves a run without a source of its own. It is kept from asking a
registry for the image each time.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from functools import partial
from pathlib import Path

from .bench import Bench
from .docker_runs import BASE
from .figure import Figure, ratio
from .notebook_submit import Notebook
from .pairs import interleaved
from .plugin_process import docker_job, running
from .raw_launch import attempt_folder
from .submit_peers import torchx_python
from .trees import make_source

SCRIPT = """import time; first = time.time()
import pathlib
pathlib.Path("outputs/first").write_text(str(first))
"""
TORCHX = """
import json, logging, os, sys, time
logging.disable(logging.CRITICAL)
from torchx.runner import get_runner
from torchx.specs import AppDef, BindMount, Role
from docker.models.images import ImageCollection
ImageCollection.pull = lambda *_, **__: None
with get_runner() as runner:
    for line in sys.stdin:
        image, source, outputs, is_mounted = line.strip().split("|")
        mounts = [BindMount(outputs, "/run-1/outputs")]
        if is_mounted:
            mounts.append(BindMount(source, "/run-1/code", read_only=True))
        script = "/run-1/code/train.py" if is_mounted else "$OLDPWD/train.py"
        role = Role(name="train", image=image, entrypoint="sh", args=["-c", f"cd /run-1 && exec python3 {script}"],
                    num_replicas=1, mounts=mounts)
        began = time.time()
        handle = runner.run(AppDef(name="bench", roles=[role]), scheduler="local_docker",
                            workspace=None if is_mounted else f"file://{source}")
        status = runner.wait(handle, wait_interval=0.01)
        print(json.dumps({"began": began, "ended": time.time(), "state": status.state.name}), flush=True)
"""


def measure(bench: Bench) -> list[Figure]:
    """Both from a warm process of their own."""
    inspect = ["docker", "image", "inspect", BASE]
    if not shutil.which("docker") or subprocess.run(inspect, capture_output=True).returncode:
        bench.say(f"docker_peers: left out, no Docker daemon with {BASE} answers")
        return []
    place = bench.place("docker-peers")
    source = make_source(place / "src", SCRIPT)
    with running(place) as plugin, Notebook(place, TORCHX, torchx_python(bench)) as theirs:

        def ours(number: int) -> float:
            name = f"peer-{number}".replace("--", "-before-")
            environment = {"image": BASE, "userManaged": True}
            ready = plugin.check(name, docker_job(place / "store", environment, ROUND=str(number)))
            called = time.time()
            return _first(attempt_folder(plugin.create(name, ready)) / "outputs") - called

        def torchx(number: int, *, is_mounted: bool = False) -> float:
            outputs = place / f"torchx-{number}-{is_mounted}"
            outputs.mkdir()
            (source / "train.py").write_text(f"{SCRIPT}# round {number}\n")
            answer = theirs.ask(f"{BASE}|{source}|{outputs}|{'mounted' if is_mounted else ''}")
            return _first(outputs) - float(answer["began"])

        contenders = {"ours": ours, "workspace": torchx, "mounted": partial(torchx, is_mounted=True)}
        try:
            taken = interleaved(contenders, bench.rounds(7))
        finally:
            _sweep()
    words = "docker: Create call → first instruction, one process"
    return [
        Figure(
            words, taken["ours"], ratio(1.0), taken["workspace"], "TorchX 0.7 local_docker, its workspace"
        ),
        Figure(
            words, taken["ours"], ratio(None), taken["mounted"], "TorchX 0.7 local_docker, script mounted"
        ),
    ]


def _first(outputs: Path) -> float:
    return float((outputs / "first").read_text())


def _sweep() -> None:
    """Removes what TorchX leaves: a container of every run, and an image of every change."""
    for kind in ("container", "image"):
        listed = subprocess.run(
            ["docker", kind, "ls", "-aq", "--filter", "label=torchx.pytorch.org/version"],
            capture_output=True, text=True,
        )  # fmt: skip
        if names := listed.stdout.split():
            subprocess.run(["docker", kind, "rm", "-f", *names], capture_output=True)
