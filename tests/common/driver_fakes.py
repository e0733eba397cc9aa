"""A target made of plain Python whose every step a test can break, and jobs that run on it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pulumi_training.driver.request import Request
from pulumi_training.identity.tree import Tree, read_tree
from pulumi_training.record.record import Record
from pulumi_training.spec.attribution import LaunchFacts, RankFacts
from pulumi_training.spec.errors import TransientError
from pulumi_training.spec.job import JobSpec
from pulumi_training.spec.outcome import Status
from pulumi_training.targets import catalog
from pulumi_training.targets.contract.capabilities import Amends, Queues, RunsUnattended
from pulumi_training.targets.contract.handle import ComputeReference, Handle
from pulumi_training.targets.contract.observation import Observation
from pulumi_training.targets.contract.plan import Plan
from pulumi_training.targets.contract.run import Prepared, RunSpec
from pulumi_training.targets.contract.target import Target, Tell

URN = "urn:pulumi:dev::tests::training:index:TrainingJob::fit"


class Died(BaseException):
    """Stands for kill -9: nothing that the driver does may catch it."""


def succeeded() -> Observation:
    rank = RankFacts(0, state="exited", success=True, exit_code=0, started_at=1.0)
    return Observation(Status.COMPLETED, (rank,), LaunchFacts(0, ranks_expected=1))


def failed(code: int = 3) -> Observation:
    rank = RankFacts(0, state="exited", exit_code=code, started_at=1.0, exception="ValueError: no")
    return Observation(Status.FAILED, (rank,), LaunchFacts(1, first_failed=0, ranks_expected=1))


def stopped(why: str) -> Observation:
    rank = RankFacts(0, state="exited", stopped_by_us=True, signal="SIGTERM", started_at=1.0)
    return Observation(Status.FAILED, (rank,), LaunchFacts(1, stopped_why=why, ranks_expected=1))


@dataclass
class Backend:
    """What the fake target holds: shared by all its instances, as a real backend is.

    `script` plays an attempt: it gets the run and gives the observation of its end, or None to run on.
    `dies_after` names a step; `Died` is raised when it is over. `troubles` are what submissions raise, or make to be
    raised, one after another.
    """

    script: Callable[[RunSpec], Observation | None] = lambda run: succeeded()
    steps: list[str] = field(default_factory=list)
    live: dict[tuple[str, int], Observation | None] = field(default_factory=dict)
    submitted: list[RunSpec] = field(default_factory=list)
    dies_after: str = ""
    place: list[int | None] = field(default_factory=list)
    prepare: Callable[[RunSpec, Tell], None] = lambda run, tell: None
    collect: Callable[[RunSpec], None] = lambda run: None
    mirror: Callable[[Path], bool] = lambda folder: True
    cancels: list[float] = field(default_factory=list)
    troubles: list[Exception | Callable[[], Exception]] = field(default_factory=list)
    removed: list[tuple[str, int]] = field(default_factory=list)
    most_live: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)

    def step(self, name: str) -> None:
        self.steps.append(name)
        if self.dies_after == name:
            self.dies_after = ""
            raise Died(name)


class PlainTarget(Target, Queues):
    """One whose attempts keep the limits that they began with."""

    name = "local"
    leaves = "nothing"
    backend = Backend()

    def prepare(self, run: RunSpec, tell: Tell) -> Prepared:
        self.backend.prepare(run, tell)
        self.backend.step("prepare")
        return Prepared({"python": "python"}, digest="env")

    def find_prepared(self, run: RunSpec) -> Prepared | None:
        return None

    def plan(self, run: RunSpec, prepared: Prepared | None) -> Plan:
        return Plan("local", run.run_id, run.attempt, {"resume_from": run.resume_from}, summary="here")

    def enter(self, plan: Plan, run: RunSpec) -> int | None:
        self.backend.step("enter")
        return self.backend.place.pop(0) if self.backend.place else None

    def leave(self, run: RunSpec) -> None:
        self.backend.step("leave")

    def submit(self, plan: Plan, run: RunSpec) -> Handle:
        backend = self.backend
        if backend.troubles:
            trouble = backend.troubles.pop(0)
            raise trouble if isinstance(trouble, Exception) else trouble()
        with backend.lock:
            if (run.run_id, run.attempt) not in backend.live:
                (run.folder / "outputs" / "model.txt").write_text(str(run.attempt))
                backend.submitted.append(run)
                backend.live[run.run_id, run.attempt] = None
                backend.most_live = max(backend.most_live, sum(v is None for v in backend.live.values()))
                backend.live[run.run_id, run.attempt] = backend.script(run)
        backend.step("submit")
        return Handle("local", run.run_id, run.attempt, str(run.folder))

    def observe(self, compute: ComputeReference, handles: Sequence[Handle]) -> Mapping[Handle, Observation]:
        return {handle: self._answer(handle) for handle in handles}

    def _answer(self, handle: Handle) -> Observation:
        try:
            return self.observed(handle)
        except TransientError as error:
            return Observation.unanswered(error.message)

    def observed(self, handle: Handle) -> Observation:
        key = (handle.run_id, handle.attempt)
        if key not in self.backend.live:
            return Observation(Status.NOT_STARTED)
        seen = self.backend.live[key]
        self.backend.step("observe")
        return seen if seen is not None else Observation(Status.RUNNING)

    def mirror(self, compute: ComputeReference, handle: Handle, folder: Path) -> bool:
        return self.backend.mirror(folder)

    def cancel(self, compute: ComputeReference, handle: Handle, grace: float) -> None:
        self.backend.cancels.append(grace)
        key = (handle.run_id, handle.attempt)
        if key in self.backend.live and self.backend.live[key] is None:
            self.backend.live[key] = stopped("cancel")

    def collect(self, compute: ComputeReference, handle: Handle, run: RunSpec, tell: Tell) -> None:
        self.backend.collect(run)
        self.backend.step("collect")

    def remove(self, compute: ComputeReference, handle: Handle) -> None:
        self.backend.removed.append((handle.run_id, handle.attempt))
        self.backend.live.pop((handle.run_id, handle.attempt), None)

    def leftovers(self, compute: ComputeReference | None, tell: Tell) -> Iterable[Handle]:
        return [Handle("local", r, a, "") for r, a in self.backend.live]


class AttendedTarget(PlainTarget, Amends):
    """One with a supervisor of ours."""

    def amend(self, compute: ComputeReference, handle: Handle, document: Mapping[str, Any]) -> None:
        self.backend.step("amend")


class FakeTarget(AttendedTarget, RunsUnattended):
    """The same without."""


@dataclass
class Job:
    """A job in a project folder, and its requests."""

    base: Path
    fields: dict[str, Any]
    urn: str = URN

    def request(self, key: str = "v1:ab", **changes: Any) -> Request:
        job = JobSpec.model_validate({**self.fields, **changes})
        digest = self.tree().digest
        return Request(
            name="fit",
            job=job,
            urn=self.urn,
            stack="dev",
            project="tests",
            run_key=key,
            source_digest=job.source_digest or digest,
            seen_digest=digest,
            base=self.base,
            secrets=job.secret_environment_variables,
        )

    def tree(self) -> Tree:
        return read_tree(self.base / "src")

    def record(self, **changes: Any) -> Record:
        return self.request(**changes).record()


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in os.environ if n.startswith("TRAINING_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TRAINING_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("TRAINING_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Iterator[Backend]:
    """The fake target stands where the local one does, and no wait is long."""
    fresh = Backend()
    monkeypatch.setattr(PlainTarget, "backend", fresh)
    monkeypatch.setattr(catalog, "get", lambda name, package="": FakeTarget())
    monkeypatch.setattr("pulumi_training.driver.watching.WATCH_SECONDS", 0.001)
    monkeypatch.setattr("pulumi_training.driver.watching._SHOW_SECONDS", 0.0)
    monkeypatch.setattr("pulumi_training.driver.passage._QUEUE_SECONDS", 0.001)
    monkeypatch.setattr("pulumi_training.driver.preload._HEAD_START_SECONDS", 600.0)
    monkeypatch.setattr("pulumi_training.driver.watching._CANCELER_SECONDS", 0.01)
    monkeypatch.setattr("pulumi_training.driver.passage._PAUSE_SECONDS", 0.001)
    monkeypatch.setattr("pulumi_training.driver.settle._PAUSE_SECONDS", 0.0)
    yield fresh


@pytest.fixture
def job(tmp_path: Path) -> Job:
    source = tmp_path / "src"
    source.mkdir()
    (source / "train.py").write_text("print('hello')\n")
    compute = {"target": "local", "workspace": "lab", "store": str(tmp_path / "store")}
    return Job(
        tmp_path,
        {"sourceDirectory": "src", "entryScript": "train.py", "compute": compute, "gracePeriodSeconds": 0},
    )
