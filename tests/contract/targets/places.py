"""What the contract suite needs of a place beside its `Target`: one subclass each, named in `PLACES`.

A target joins the suite by a subclass in a module of its own here, registered with `@place`.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from pulumi_training.driver.folders import link_folders
from pulumi_training.driver.request import recorded
from pulumi_training.record.record import Record
from pulumi_training.record.store import Store
from pulumi_training.record.store_identity import ensure_identity
from pulumi_training.spec.attribution import RankFacts, attribute
from pulumi_training.spec.job import JobSpec
from pulumi_training.spec.outcome import Outcome, Status
from pulumi_training.targets import catalog
from pulumi_training.targets.contract.capabilities import Queues
from pulumi_training.targets.contract.handle import ComputeReference, Handle
from pulumi_training.targets.contract.observation import Observation
from pulumi_training.targets.contract.plan import Plan
from pulumi_training.targets.contract.run import RunSpec
from pulumi_training.targets.contract.target import Target
from pulumi_training.targets.local import agent_process, processes

PLACES: dict[str, type[Place]] = {}


def place(kind: type[Place]) -> type[Place]:
    """Adds a place to the suite."""
    PLACES[kind.name] = kind
    return kind


@dataclass
class Started:
    """An attempt that was submitted."""

    place: Place
    run: RunSpec
    plan: Plan
    handle: Handle
    is_mirrored: bool = False

    def observe(self) -> Observation:
        """Where it stands, after what it wrote was brought as the driver does."""
        self.is_mirrored = self.place.target.mirror(self.compute, self.handle, self.run.folder)
        return self.place.target.observe(self.compute, [self.handle])[self.handle]

    @property
    def compute(self) -> ComputeReference:
        return self.run.compute_reference

    def log(self, rank: int = 0, start: int = 0) -> bytes:
        """A rank's log in the attempt's folder, kept up to date by looking."""
        self.observe()
        try:
            return (self.run.folder / f"logs/std/rank-{rank}.log").read_bytes()[start:]
        except FileNotFoundError:
            return b""

    def until_printed(self, text: str, ranks: int = 1) -> Started:
        until(lambda: all(text.encode() in self.log(rank) for rank in range(ranks)), text)
        return self

    def ended(self) -> Observation:
        """The observation of its end."""
        return until(lambda: (seen := self.observe()).status.is_terminal and seen, "the end")  # type: ignore[no-any-return]

    def until_gone(self) -> None:
        """Waits until nothing of it runs; its last word comes a moment before."""
        until(lambda: not self.place.left(self), "the end of everything", 15)

    def outcome(self) -> Outcome:
        seen = self.ended()
        return attribute(seen.launch, seen.ranks)

    def collect(self) -> Path:
        """The attempt's folder after collection."""
        self.place.target.collect(self.compute, self.handle, self.run, lambda line: None)
        return self.run.folder


def real_places() -> list[str]:
    """Those whose service is none of the tests' own."""
    return sorted(name for name, kind in PLACES.items() if not kind.is_of_tests)


def until(what: Callable[[], Any], words: str, seconds: float = 90.0) -> Any:
    """Waits for something true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.02)
    raise AssertionError(f"did not come within {seconds:g} s: {words}")


class Place(ABC):
    """A target, and the hands that a test needs around it."""

    name: str
    service = ""
    """What it needs, as `TRAINING_REQUIRE` names it; its own name unless told."""
    offers_gpus = True
    is_of_tests = False
    """Whether its service is made up by the tests: what it does with the files of a run is then no matter of ours."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.target: Target = catalog.get(self.name)
        self.started: list[Started] = []

    @abstractmethod
    def missing(self) -> str:
        """Why the suite cannot run here, or nothing."""

    @abstractmethod
    def kill_node(self, started: Started, node: int) -> None:
        """Ends a node without a word."""

    @abstractmethod
    def forget(self, started: Started) -> None:
        """Makes the backend forget an ended attempt: a TTL, a prune."""

    @abstractmethod
    def left(self, started: Started) -> list[str]:
        """What the backend still runs of an attempt, in words."""

    def compute(self, nodes: int = 2, slots: int = 2, gpus: int = 0) -> dict[str, Any]:
        return {
            "target": self.name,
            "workspace": "lab",
            "store": str(self.root / "store"),
            "cluster": "cpu",
            "maxNodes": nodes,
            "slotsPerNode": slots,
            "gpusPerNode": gpus,
        }

    def run(
        self,
        script: str,
        *,
        attempt: int = 1,
        run_id: str = "",
        store: Path | str | None = None,
        is_of_before: bool = False,
        secrets: Mapping[str, str] | None = None,
        **job: Any,
    ) -> RunSpec:
        """An attempt whose source has one script, `train.py`; two nodes of two processes unless told.

        One of before began when stores had no identity. `secrets` are hidden in its record (`spec.secrecy`).
        """
        store = store or self.root / "store"
        fields = {
            "entryScript": "train.py",
            "nodeCount": 2,
            "processCountPerNode": 2,
            "distributedBackend": "gloo",
            "gracePeriodSeconds": 5,
            "compute": {**self.compute(), "store": str(store)},
            **job,
        }
        spec = JobSpec.model_validate(fields)
        record = Record(Store.open(str(store)), run_id or f"fit-{uuid.uuid4().hex[:10]}")
        folder = record.attempt(attempt).prepare_folder()
        (folder / "code").mkdir(exist_ok=True)
        (folder / "code" / "train.py").write_text(script)
        if not (folder / "code" / "outputs").is_symlink():
            link_folders(folder / "code")
        hidden = {**(secrets or {}), **spec.secret_environment_variables}
        identity = "" if is_of_before else ensure_identity(record.store)
        return RunSpec(
            record.run_id, attempt, recorded(spec, hidden), self.root, folder, hidden, store=identity
        )

    def plan(self, run: RunSpec) -> Plan:
        return self.target.plan(run, self.target.prepare(run, lambda line: None))

    def start(self, script: str, **job: Any) -> Started:
        """Prepares, queues and submits."""
        run = self.run(script, **job)
        plan = self.plan(run)
        if isinstance(self.target, Queues):
            queue = self.target
            until(lambda: queue.enter(plan, run) is None, "slots")
        return self.submit(plan, run)

    def submit(self, plan: Plan, run: RunSpec) -> Started:
        started = Started(self, run, plan, self.target.submit(plan, run))
        self.started.append(started)
        return started

    def close(self) -> None:
        """Takes away what tests left."""
        for started in self.started:
            self.target.cancel(started.compute, started.handle, 0.0)
            self.target.remove(started.compute, started.handle)
            if isinstance(self.target, Queues):
                self.target.leave(started.run)


@place
class LocalPlace(Place):
    """This machine: nodes are groups of ranks."""

    name = "local"

    def missing(self) -> str:
        return ""

    def kill_node(self, started: Started, node: int) -> None:
        """Kills the ranks of a node, wrappers and scripts, as nearly at once as can be."""
        victims = []
        for process in self._processes(started):
            rank = process.environ().get("OMPI_COMM_WORLD_RANK") or process.environ().get("PMIX_RANK")
            if rank is not None and int(rank) // 2 == node:
                victims.append(process.pid)
        assert len(victims) == 4
        for pid in victims:
            os.kill(pid, signal.SIGSTOP)
        for pid in victims:
            os.kill(pid, signal.SIGKILL)

    def forget(self, started: Started) -> None:
        shutil.rmtree(started.run.folder / "launch")

    def left(self, started: Started) -> list[str]:
        return [" ".join(p.cmdline()) for p in self._processes(started)]

    def _processes(self, started: Started) -> Iterator[psutil.Process]:
        yield from processes.find(agent_process.marks_of(started.handle))


def facts_by_rank(seen: Observation) -> dict[int, RankFacts]:
    return {facts.rank: facts for facts in seen.ranks}


LIVE = (Status.QUEUED, Status.PREPARING, Status.PROVISIONING, Status.RUNNING)
