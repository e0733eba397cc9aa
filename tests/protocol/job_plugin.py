"""The real handlers behind real gRPC, on real small runs: what the engine would ask, asked by a test."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import psutil
from pulumi.runtime.proto import provider_pb2
from wiring import Client, FakeEngine, details, running

from pulumi_training.driver.look import FRESH_SECONDS
from pulumi_training.driver.stop import cancel
from pulumi_training.provider import wire
from pulumi_training.provider.handlers import handlers
from pulumi_training.record.record import Record
from pulumi_training.record.store import Store

JOB = "training:index:TrainingJob"
ENVIRONMENT = "training:index:Environment"
COMPUTE = {
    "target": "local",
    "workspace": "lab",
    "store": "./.training/lab",
    "cluster": "cpu",
    "maxNodes": 2,
    "slotsPerNode": 2,
}


def urn(name: str, kind: str = JOB) -> str:
    return f"urn:pulumi:dev::shop::{kind}::{name}"


@dataclass(frozen=True)
class Made:
    """What Create or Update answered: `reasons` where the operation failed and the resource is kept."""

    id: str
    outputs: dict[str, Any]
    reasons: tuple[str, ...] = ()


class Jobs:
    """One engine operation after another on one plugin; values are plain Python."""

    def __init__(self, folder: Path, client: Client, engine: FakeEngine) -> None:
        self.folder = folder
        self.client = client
        self.engine = engine

    # -- what a program has ----------------------------------------------------------------------------------

    def source(self, code: str, name: str = "train.py") -> None:
        """Writes a script into the source directory."""
        path = self.folder / "src" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        is_changed = path.exists()
        path.write_text(code, encoding="utf-8")
        if is_changed:
            time.sleep(FRESH_SECONDS)  # what a plugin has just read is no answer to the next check

    @staticmethod
    def inputs(**changes: Any) -> dict[str, Any]:
        """The inputs of a small job."""
        given = {"sourceDirectory": "./src", "entryScript": "train.py", "compute": COMPUTE, **changes}
        return {name: value for name, value in given.items() if value is not None}

    # -- what the engine asks --------------------------------------------------------------------------------

    def check(
        self,
        inputs: Mapping[str, Any],
        *,
        name: str = "fit",
        kind: str = JOB,
        olds: Mapping[str, Any] | None = None,
    ) -> tuple[dict[str, Any], dict[str, str]]:
        """The checked inputs, and the problems by path."""
        request = provider_pb2.CheckRequest(
            urn=urn(name, kind), news=wire.encode(inputs), olds=wire.encode(olds or {})
        )
        answer = self.client.stub.Check(request, timeout=60)
        assert not any(failure.property for failure in answer.failures), (
            "the engine prints the property's value"
        )
        problems = {path: words for path, _, words in (f.reason.partition(": ") for f in answer.failures)}
        assert len(problems) == len(answer.failures), answer.failures
        return wire.decode(answer.inputs), problems

    def checked(self, inputs: Mapping[str, Any], *, name: str = "fit", kind: str = JOB) -> dict[str, Any]:
        """The checked inputs of a job that has no problem."""
        checked, problems = self.check(inputs, name=name, kind=kind)
        assert not problems, problems
        return checked

    def diff(
        self,
        old: Mapping[str, Any],
        new: Mapping[str, Any],
        *,
        id: str = "fit-0",
        outputs: Mapping[str, Any] | None = None,
        name: str = "fit",
        kind: str = JOB,
    ) -> dict[str, str]:
        """Each changed path with its kind, as UPDATE or UPDATE_REPLACE."""
        request = provider_pb2.DiffRequest(
            id=id,
            urn=urn(name, kind),
            olds=wire.encode(outputs or {}),
            news=wire.encode(new),
            old_inputs=wire.encode(old),
        )
        answer = self.client.stub.Diff(request, timeout=60)
        assert answer.hasDetailedDiff
        some = {answer.DIFF_SOME: True, answer.DIFF_NONE: False}[answer.changes]
        assert some is bool(answer.detailedDiff)
        kinds = provider_pb2.PropertyDiff.Kind
        return {path: kinds.Name(each.kind) for path, each in answer.detailedDiff.items()}

    def create(
        self, inputs: Mapping[str, Any], *, name: str = "fit", kind: str = JOB, preview: bool = False
    ) -> Made:
        request = provider_pb2.CreateRequest(
            urn=urn(name, kind), properties=wire.encode(inputs), preview=preview
        )
        return self._made(lambda: self.client.stub.Create(request, timeout=120), "")

    def update(
        self,
        made: Made,
        old: Mapping[str, Any],
        new: Mapping[str, Any],
        *,
        name: str = "fit",
        preview: bool = False,
    ) -> Made:
        request = provider_pb2.UpdateRequest(
            id=made.id,
            urn=urn(name),
            olds=wire.encode(made.outputs),
            news=wire.encode(new),
            old_inputs=wire.encode(old),
            preview=preview,
        )
        return self._made(lambda: self.client.stub.Update(request, timeout=120), made.id)

    def read(
        self,
        id: str,
        inputs: Mapping[str, Any] | None = None,
        outputs: Mapping[str, Any] | None = None,
        name: str = "fit",
    ) -> tuple[Made, dict[str, Any]]:
        """What Read answered and the inputs with it; an empty id where the job is gone."""
        request = provider_pb2.ReadRequest(
            id=id, urn=urn(name), inputs=wire.encode(inputs or {}), properties=wire.encode(outputs or {})
        )
        found: dict[str, Any] = {}

        def ask() -> Any:
            answer = self.client.stub.Read(request, timeout=60)
            found.update(wire.decode(answer.inputs))
            return answer

        made = self._made(ask, id, found)
        return made, found

    def delete(self, made: Made, inputs: Mapping[str, Any], *, name: str = "fit") -> None:
        request = provider_pb2.DeleteRequest(
            id=made.id,
            urn=urn(name),
            properties=wire.encode(made.outputs),
            old_inputs=wire.encode(inputs),
        )
        self.client.stub.Delete(request, timeout=120)

    def close(self) -> None:
        """The engine's last Cancel, which says that it has read every answer."""
        self.client.cancel()

    def train(self, name: str = "fit", **changes: Any) -> tuple[Made, dict[str, Any]]:
        """Check and Create of a small job that must succeed."""
        inputs = self.checked(self.inputs(**changes), name=name)
        made = self.create(inputs, name=name)
        assert not made.reasons, made.reasons
        return made, inputs

    # -- what is there ---------------------------------------------------------------------------------------

    @property
    def store(self) -> Path:
        return self.folder / ".training" / "lab"

    def record(self, run_id: str) -> Record:
        return Record(Store.open(str(self.store)), run_id)

    def runs(self) -> list[str]:
        """The ids of all runs in the store."""
        folder = self.store / "runs"
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []

    def log(self, made: Made, rank: int = 0) -> bytes:
        return Path(made.outputs["logsLocation"], "std", f"rank-{rank}.log").read_bytes()

    def file(self, made: Made, name: str) -> bytes:
        return Path(made.outputs["outputsLocation"], name).read_bytes()

    def said(self) -> str:
        """Everything the engine was given to show."""
        return "\n".join(request.message for _, request in self.engine.logged)

    def processes(self) -> list[psutil.Process]:
        """Whatever lives of any run of this test: supervisors, agents, scripts."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                ours = str(self.folder) in " ".join((*process.cmdline(), *process.environ().values()))
                is_run = "TRAINING_RUN_ID" in process.environ() or "pulumi_training.driver" in " ".join(
                    process.cmdline()
                )
                if ours and is_run and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def until(self, is_so: Any, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not is_so():
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.05)

    def _made(self, ask: Any, id: str, inputs: dict[str, Any] | None = None) -> Made:
        try:
            answer = ask()
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNKNOWN:
                raise
            failed = details(error, provider_pb2.ErrorResourceInitFailed())
            if inputs is not None:
                inputs.update(wire.decode(failed.inputs))
            return Made(failed.id, wire.decode(failed.properties), tuple(failed.reasons))
        return Made(getattr(answer, "id", id), wire.decode(answer.properties))


@contextlib.contextmanager
def jobs(folder: Path, engine: FakeEngine) -> Iterator[Jobs]:
    """The plugin with the package's own handlers; everything that runs is stopped and seen stopped after it."""
    with running(handlers, engine.address) as (_, port):
        client = Client(port)
        made = Jobs(folder, client, engine)
        try:
            yield made
        finally:
            for run_id in made.runs():
                cancel(made.record(run_id), grace=0.0)
            client.channel.close()
    made.until(lambda: not made.processes(), 30)
