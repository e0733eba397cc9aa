"""A world whose `up` is Pulumi's own command line: the engine, its plugin and its state are the real ones."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from sandbox import Project, Sandbox
from world import World

PROGRAM = """
import json, pathlib, pulumi
import pulumi_training as training
from pulumi_training import local as target

job = json.loads(pathlib.Path("job.json").read_text())
lab = target.Workspace("lab", store=job["compute"]["store"])
cluster = target.ComputeCluster(
    "cpu", workspace=lab, max_nodes=job["compute"]["maxNodes"], slots_per_node=job["compute"]["slotsPerNode"]
)
outputs = {
    name: {"uri": output["uri"], "mode": output["mode"], "path_on_compute": output["pathOnCompute"]}
    for name, output in job.get("outputs", {}).items()
}
fit = training.TrainingJob(
    "fit",
    compute=cluster,
    source_directory="src",
    entry_script="train.py",
    node_count=job["nodeCount"],
    process_count_per_node=1,
    distributed_backend=job["distributedBackend"],
    environment_variables=job["environmentVariables"],
    pip_packages=job.get("environment", {}).get("pipPackages", []),
    outputs=outputs,
    grace_period_seconds=2,
)
pulumi.export("status", fit.status)
"""


class EngineWorld(World):
    """`start_up` types `pulumi up`; `kill("engine")` ends that process, and nothing else, at once."""

    def __init__(self, sandbox: Sandbox, cache: Path, *, ranks: int = 2) -> None:
        self.sandbox = sandbox
        self.project: Project = sandbox.project(PROGRAM, name="world")
        super().__init__(self.project.folder, cache, ranks=ranks)
        self.place = {"TRAINING_STATE_DIR": str(self.state_dir), "TRAINING_CACHE_DIR": str(cache)}

    def prepare(self, phase: str) -> None:
        super().prepare(phase)
        if phase == "intent written":
            self.fill_source(3000)

    def fill_source(self, files: int) -> None:
        """Makes the source so large that its copy takes a while."""
        folder = self.root / "src" / "more"
        folder.mkdir()
        for number in range(files):
            (folder / f"{number}.txt").write_text(f"{number}\n")

    def start_up(
        self, name: str = "one", pause: str = "", pause_seconds: float = 60
    ) -> subprocess.Popen[bytes]:
        (self.root / "job.json").write_text(json.dumps(self.job))
        with (self.root / f"plugin-{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [str(self.sandbox.pulumi), "--non-interactive", "--color", "never", "up", "--yes", "--skip-preview"],
                cwd=self.root, env={**self.sandbox.environment, **self.place}, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self.started.append(process)
        return process

    def answer(self, process: subprocess.Popen[bytes], name: str = "one") -> dict[str, Any] | None:
        code = process.wait(self.patience + 30)
        return {"code": code} if code >= 0 else None

    def up(self, name: str = "next") -> dict[str, Any]:
        # What a person types after the command line was killed; there is nothing to cancel where it was not.
        self.project.run("cancel", "--yes", **self.place)
        return super().up(name)

    def said(self, name: str) -> str:
        """What an `up` said."""
        return (self.root / f"plugin-{name}.log").read_text()

    def reach(self, phase: str) -> None:
        if phase == "intent written":
            self.until(lambda: self.document() is not None, phase)
        elif phase == "state being written":
            self.until(lambda: len(self.journal()) == self.ranks, "running")
            self.release()
            self.until(lambda: self.is_over(1), phase)
        else:
            super().reach(phase)

    def kill(self, who: str, number: int = signal.SIGKILL) -> None:
        if who == "everything":
            found = self._everything()
        else:
            found = [self.started[-1].pid]
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _everything(self) -> list[int]:
        """The engine first, then every process that has this place in its arguments or environment."""
        place = str(self.sandbox.folder)
        found = [self.started[-1].pid]
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if any(place in text for text in (*process.cmdline(), *process.environ().values())):
                    found.append(process.pid)
        return [pid for pid in dict.fromkeys(found) if pid != os.getpid()]

    def plugins(self) -> list[psutil.Process]:
        """Plugins and language hosts of this place that still run."""
        found = []
        for pid in self._everything():
            with suppress(psutil.Error):
                process = psutil.Process(pid)
                if process.status() != psutil.STATUS_ZOMBIE and process not in self._supervisors():
                    found.append(process)
        return found

    def check(self, *, complete: bool = True) -> None:
        super().check(complete=complete)
        self.until(lambda: not self.plugins(), "the end of plugins whose engine is gone", 60)
