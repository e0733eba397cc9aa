"""A place for small training jobs on the real engine: a program's folder, a script, and what is left behind."""

from __future__ import annotations

import json
import textwrap
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil
import pulumi
from sandbox import Inline, Operation, Sandbox

import pulumi_training as training
from pulumi_training import local as target

SECONDS = 90
"""How long anything may take on a busy machine before a test gives up on it."""

METRICS = """
    import json, os
    def report(**values):
        with open(os.environ["TRAINING_METRICS"], "a") as stream:
            stream.write(json.dumps(values) + "\\n")
"""


@dataclass
class Lab:
    """A program's folder with `src/train.py`, and one inline stack over it.

    `settings` are the parameters of the job `fit`, `cluster` those of its cluster; a test changes them between
    two operations as a person changes a program.
    """

    sandbox: Sandbox
    folder: Path
    settings: dict[str, Any] = field(default_factory=dict)
    cluster: dict[str, Any] = field(default_factory=dict)

    @property
    def source(self) -> Path:
        return self.folder / "src"

    @property
    def store(self) -> Path:
        return self.folder / ".training" / "lab"

    def write(self, script: str, file: str = "train.py") -> None:
        """Writes a script; it may call `report(metric=value)`."""
        self.source.mkdir(exist_ok=True)
        (self.source / file).write_text(textwrap.dedent(METRICS) + textwrap.dedent(script))

    def cluster_of(self, workspace: target.Workspace) -> target.ComputeCluster:
        return target.ComputeCluster(
            "cpu", workspace=workspace, **{"max_nodes": 1, "slots_per_node": 2, **self.cluster}
        )

    def job(self, name: str, cluster: target.ComputeCluster, **more: Any) -> training.TrainingJob:
        wanted = {"source_directory": "./src", "entry_script": "train.py", **self.settings, **more}
        if "command" in wanted:
            del wanted["entry_script"]
        return training.TrainingJob(name, compute=cluster, **wanted)

    def declare(self) -> None:
        """The program: one job."""
        fit = self.job("fit", self.cluster_of(target.Workspace("lab")))
        for output in ("run_id", "attempt", "status", "outputs_location", "logs_location", "metrics"):
            pulumi.export(output, getattr(fit, output))

    def stack(self, program: Callable[[], None] | None = None) -> Inline:
        return self.sandbox.inline(program or self.declare, name="lab", work_dir=self.folder)

    def job_state(self, stack: Inline, name: str = "fit") -> dict[str, Any]:
        """A job as the state has it."""
        return next(r for r in stack.resources() if r["urn"].endswith(f"TrainingJob::{name}"))

    def attempts(self, run: str = "fit-*") -> list[dict[str, Any]]:
        """The documents of every attempt of the runs that match, oldest first."""
        found = [
            json.loads(path.read_text()) for path in self.store.glob(f"runs/{run}/attempts/*/attempt.json")
        ]
        return sorted(found, key=lambda document: float(document["created_at"]))

    def left(self) -> list[psutil.Process]:
        """The processes that have to do with this lab: this folder is in their arguments or environment."""
        return [process for process in psutil.process_iter() if _mentions(process, str(self.sandbox.folder))]

    def is_quiet(self) -> bool:
        return not self.left()


def new_lab(sandbox: Sandbox, cache: Path, environment: Mapping[str, str] | None = None) -> Lab:
    """A lab with a state folder of its own and the cache that all labs share."""
    folder = sandbox.folder / "program"
    folder.mkdir()
    more = {"TRAINING_STATE_DIR": str(sandbox.folder / "training-state"), "TRAINING_CACHE_DIR": str(cache)}
    lab = Lab(replace(sandbox, environment={**sandbox.environment, **more, **(environment or {})}), folder)
    lab.write("print('trained')")
    return lab


def eventually(question: Callable[[], Any], what: str, seconds: float = SECONDS) -> Any:
    """The first true answer; an AssertionError that says what never came about."""
    deadline = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.05)
    return answer


def said(operation: Operation) -> str:
    """Everything that an operation told the person: the terminal's text and the diagnostics, live ones too."""
    return operation.text + "\n".join(d.message for d in operation.diagnostics)


def reasons(operation: Operation) -> str:
    """The errors of an operation as its diagnostics."""
    return "\n".join(d.message for d in operation.diagnostics if d.severity == "error")


def replaced_by(operation: Operation, name: str = "fit") -> set[str]:
    """The property paths that an operation names as the cause of a replacement."""
    found: set[str] = set()
    for event in operation.events:
        step = event.resource_pre_event
        if step and step.metadata.urn.endswith(f"::{name}"):
            for path, difference in (step.metadata.detailed_diff or {}).items():
                if "replace" in difference.diff_kind.value:
                    found.add(path)
    return found


def _mentions(process: psutil.Process, text: str) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return any(text in value for value in (*process.environ().values(), *process.cmdline()))
    except (psutil.Error, OSError):
        return False
