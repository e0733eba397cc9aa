"""A target of one process, whose backend is a folder: a shell runs the script there and leaves its exit code.

1. The backend takes an attempt to its end by itself; whoever has the record may look.
2. It runs one process, with the Python of the plugin; nothing is installed.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from pulumi_training.spec.attribution import LaunchFacts, RankFacts
from pulumi_training.spec.errors import TransientError
from pulumi_training.spec.outcome import Status
from pulumi_training.targets.contract.capabilities import RunsUnattended
from pulumi_training.targets.contract.handle import ComputeReference, Handle
from pulumi_training.targets.contract.observation import Observation
from pulumi_training.targets.contract.plan import Plan
from pulumi_training.targets.contract.run import Prepared, RunSpec
from pulumi_training.targets.contract.target import Target, Tell

_SHELL = 'echo $$ > "$0/pid"; "$@" > "$0/log" 2>&1; echo $? > "$0/exit.new"; mv "$0/exit.new" "$0/exit"'
_STOP_SECONDS = 10.0


class TinyTarget(Target, RunsUnattended):
    """See `Target`."""

    name = "tiny"
    leaves = "a folder"
    submits_by_requests = True

    def prepare(self, run: RunSpec, tell: Tell) -> Prepared:
        """Nothing is installed."""
        return Prepared({"python": sys.executable})

    def find_prepared(self, run: RunSpec) -> Prepared | None:
        """As `prepare`, which does no work."""
        return Prepared({"python": sys.executable})

    def plan(self, run: RunSpec, prepared: Prepared | None) -> Plan:
        """One command."""
        from .plan import plan

        return plan(run, prepared)

    def submit(self, plan: Plan, run: RunSpec) -> Handle:
        """Starts it, unless its folder is there."""
        handle = Handle.of(self.name, run)
        place = _place(handle)
        if not place.exists():
            place.mkdir(parents=True)
            (place / "handle.json").write_text(json.dumps(handle.to_json()))
            variables = {
                "TRAINING_RUN_ID": run.run_id,
                "TRAINING_METRICS": str(run.folder / "metrics" / "rank-0.jsonl"),
            }
            (run.folder / "metrics").mkdir(exist_ok=True)
            subprocess.Popen(
                ["sh", "-c", _SHELL, str(place), *plan.request["command"]],
                cwd=run.code, env={**os.environ, **run.variables, **variables}, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        return handle

    def observe(self, compute: ComputeReference, handles: Sequence[Handle]) -> Mapping[Handle, Observation]:
        """What the folders say."""
        return {handle: _look(_place(handle)) for handle in handles}

    def mirror(self, compute: ComputeReference, handle: Handle, folder: Path) -> bool:
        """Copies the log."""
        log = _place(handle) / "log"
        if log.exists():
            (folder / "logs" / "std").mkdir(parents=True, exist_ok=True)
            shutil.copyfile(log, folder / "logs" / "std" / "rank-0.log")
        return True

    def cancel(self, compute: ComputeReference, handle: Handle, grace: float) -> None:
        """Kills its processes and waits."""
        place = _place(handle)
        deadline = time.monotonic() + _STOP_SECONDS
        while _look(place).status is Status.RUNNING:
            if time.monotonic() > deadline:
                raise TransientError(f"{place} does not stop")
            (place / "stopped").touch()
            if (place / "pid").exists():
                with suppress(ProcessLookupError, ValueError):
                    os.killpg(int((place / "pid").read_text()), signal.SIGKILL)
                (place / "exit").write_text("137")
            time.sleep(0.05)

    def collect(self, compute: ComputeReference, handle: Handle, run: RunSpec, tell: Tell) -> None:
        """The script wrote into the attempt's folder itself; its log is brought."""
        self.mirror(compute, handle, run.folder)

    def remove(self, compute: ComputeReference, handle: Handle) -> None:
        """Removes the folder."""
        self.cancel(compute, handle, 0.0)
        shutil.rmtree(_place(handle), ignore_errors=True)

    def leftovers(self, compute: ComputeReference | None, tell: Tell) -> Iterable[Handle]:
        """Every folder."""
        for file in sorted(_backend().glob("*/handle.json")):
            yield Handle.from_json(json.loads(file.read_text()))


def _backend() -> Path:
    return Path(os.environ.get("TINY_BACKEND") or Path(tempfile.gettempdir()) / "training-tiny")


def _place(handle: Handle) -> Path:
    return _backend() / f"{handle.run_id}-a{handle.attempt}"


def _look(place: Path) -> Observation:
    if not place.exists():
        return Observation(Status.NOT_STARTED)
    if not (place / "exit").exists():
        return Observation(Status.RUNNING)
    code = int((place / "exit").read_text())
    tail = (place / "log").read_text() if (place / "log").exists() else ""
    is_ours = (place / "stopped").exists()
    rank = RankFacts(
        0, state="ended", exit_code=code, success=code == 0, log_tail=tail[-2000:], stopped_by_us=is_ours
    )
    failed = 0 if code and not is_ours else None
    launch = LaunchFacts(exit_code=code, first_failed=failed, stopped_why="cancel" if is_ours else None)
    return Observation(Status.FAILED if code else Status.COMPLETED, (rank,), launch)
