"""Two containers with MPI between them, beside two that are set up by hand: `docker run`, ssh and `mpirun`.

Needs a Docker daemon with `training-bench:mpi`, which `tools/docker-base training-bench:mpi
openssh-server,openmpi-bin,python3-mpi4py,python3-numpy` makes; both sides use that image, its Open MPI and its mpi4py.
By hand the source and the outputs are mounted, and a key that lets node 0 into node 1 lies ready.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .bench import Bench
from .figure import Figure, ratio
from .pairs import interleaved
from .plugin_process import docker_job, running
from .raw_launch import attempt_folder
from .trees import make_source

IMAGE = "training-bench:mpi"
SCRIPT = """import time; first = time.time_ns()
import json, os, statistics
import numpy
from mpi4py import MPI

world = MPI.COMM_WORLD
rank, other = world.rank, 1 - world.rank

def timed(work, rounds):
    taken = []
    for number in range(rounds + rounds // 5):
        world.Barrier()
        began = time.perf_counter()
        work()
        if number >= rounds // 5:
            taken.append(time.perf_counter() - began)
    return statistics.median(taken)

def ping_pong(size):
    buffer = numpy.zeros(size, numpy.uint8)
    def once():
        if rank == 0:
            world.Send(buffer, 1)
            world.Recv(buffer, 1)
        else:
            world.Recv(buffer, 0)
            world.Send(buffer, 0)
    return once

def allreduce(size):
    mine, summed = numpy.ones(size // 4, numpy.float32), numpy.zeros(size // 4, numpy.float32)
    return lambda: world.Allreduce(mine, summed)

taken = {"ping": timed(ping_pong(8), 500), "ping_large": timed(ping_pong(4 << 20), 40),
         "allreduce": timed(allreduce(32 << 20), 10)}
firsts = world.gather(first)
if rank == 0:
    with open("outputs/taken.json", "w") as file:
        json.dump({**taken, "first": min(firsts)}, file)
"""
_SSH = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o ConnectionAttempts=9"
_NODE = "cp -r /keys ~/.ssh; chmod -R go= ~/.ssh; mkdir -p /run/sshd; exec /usr/sbin/sshd -D -o UseDNS=no"
_ALLOWED = 1 / 0.9
"""At least 0.9 of the bandwidth is at most so much more time for the same bytes."""


def measure(bench: Bench) -> list[Figure]:
    """Every round is a new run on both sides, from nothing but the image."""
    if not shutil.which("docker") or _docker("image", "inspect", IMAGE, check=False).returncode:
        bench.say(f"docker_mpi: left out, no Docker daemon with {IMAGE} answers (tools/docker-base makes it)")
        return []
    place = bench.place("docker-mpi")
    source = make_source(place / "src", SCRIPT)
    keys = place / "keys"
    keys.mkdir()
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(keys / "id_ed25519")], check=True
    )
    (keys / "authorized_keys").write_bytes((keys / "id_ed25519.pub").read_bytes())
    seen: dict[str, list[dict[str, float]]] = {"ours": [], "by hand": []}
    with running(place) as plugin:

        def ours(number: int) -> float:
            name = f"mpi-{number}".replace("--", "-before-")
            environment = {"image": IMAGE, "userManaged": True}
            ready = plugin.check(name, docker_job(place / "store", environment, nodes=2, ROUND=str(number)))
            called = time.time_ns()
            return taken("ours", number, attempt_folder(plugin.create(name, ready)) / "outputs", called)

        def by_hand(number: int) -> float:
            outputs = place / f"by-hand-{number}"
            outputs.mkdir()
            called = time.time_ns()
            with _nodes(source, keys, outputs) as first:
                launcher = [
                    "mpirun",
                    "--allow-run-as-root",
                    "--bind-to",
                    "none",
                    "--mca",
                    "plm_rsh_args",
                    _SSH,
                ]
                hosts = ["-H", "bench-0,bench-1", "-n", "2"]
                script = ["python3", "-m", "mpi4py", "/code/train.py"]
                _docker("exec", "-w", "/run-1", first, *launcher, *hosts, *script)
            return taken("by hand", number, outputs, called)

        def taken(who: str, number: int, outputs: Path, called: int) -> float:
            found = json.loads((outputs / "taken.json").read_text())
            if number >= 0:
                seen[who].append(found)
            return float(found["first"] - called) / 1e9

        first = interleaved({"ours": ours, "by hand": by_hand}, bench.rounds(7))
    names = {
        "ping": "docker: ping-pong of 8 bytes between 2 containers",
        "ping_large": "docker: ping-pong of 4 MB between 2 containers",
        "allreduce": "docker: allreduce of 32 MB between 2 containers",
    }
    return [
        Figure("docker: Create call → first instruction on 2 nodes, image there", first["ours"], ratio(1.3),
               first["by hand"], "docker run, ssh, mpirun"),
        *(
            Figure(words, [r[key] for r in seen["ours"]], ratio(_ALLOWED), [r[key] for r in seen["by hand"]],
                   "docker run, ssh, mpirun")
            for key, words in names.items()
        ),
    ]  # fmt: skip


@contextmanager
def _nodes(source: Path, keys: Path, outputs: Path) -> Iterator[str]:
    """Two containers that let each other in; the name of the first."""
    names = ["training-bench-0", "training-bench-1"]
    network = "training-bench"
    _docker("network", "create", network)
    try:
        for number, name in enumerate(names):
            _docker(
                "run", "-d", "--name", name, "--hostname", f"bench-{number}", "--network", network,
                "--network-alias", f"bench-{number}", "-v", f"{source}:/code:ro", "-v", f"{keys}:/keys:ro",
                "-v", f"{outputs}:/run-1/outputs", IMAGE, "sh", "-c", _NODE,
            )  # fmt: skip
        yield names[0]
    finally:
        _docker("rm", "-f", *names, check=False)
        _docker("network", "rm", network, check=False)


def _docker(*words: str, check: bool = True) -> Any:
    done = subprocess.run(["docker", *words], capture_output=True, text=True)
    if check and done.returncode:
        raise RuntimeError(f"docker {words[0]}: {done.stderr.strip() or done.stdout.strip()}")
    return done
