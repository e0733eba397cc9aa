"""A finished run made by the real handlers, and every way in which a file of its record can be damaged."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pulumi_training.provider.handler import (
    Cancellation,
    CheckCall,
    CreateCall,
    DeleteCall,
    DiffCall,
    ProviderConfig,
    ReadCall,
)
from pulumi_training.provider.handlers import handlers
from pulumi_training.record.record import Record
from pulumi_training.record.store import Store

TYPE = "training:index:TrainingJob"
URN = f"urn:pulumi:dev::shop::{TYPE}::fit"
SCRIPT = """import json, os
with open(os.environ["TRAINING_METRICS"], "a") as stream:
    print(json.dumps({"step": 1, "accuracy": 0.5}), file=stream)
open("outputs/model.txt", "w").write("weights")
print("trained")
"""


@dataclass
class Said:
    """What an operation told the user."""

    lines: list[str] = field(default_factory=list)

    def line(self, text: str) -> None:
        self.lines.append(text)

    info = warning = line


@dataclass(frozen=True)
class Desk:
    """The handler of training jobs without gRPC, on one store."""

    base: Path

    @property
    def store(self) -> Path:
        return self.base / "lab"

    def inputs(self, **changes: Any) -> dict[str, Any]:
        compute = {
            "target": "local",
            "workspace": "lab",
            "store": str(self.store),
            "cluster": "cpu",
            "maxNodes": 1,
            "slotsPerNode": 2,
        }
        return {"sourceDirectory": "./src", "entryScript": "train.py", "compute": compute, **changes}

    def check(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        answer = self._run(lambda job: job.check(CheckCall(**_CALL, inputs=dict(inputs))))
        assert not answer.problems, answer.problems
        return dict(answer.inputs)

    def diff(self, checked: Mapping[str, Any], outputs: Mapping[str, Any], run_id: str) -> Any:
        call = DiffCall(
            **_CALL,
            id=run_id,
            old_inputs=dict(checked),
            old_outputs=dict(outputs),
            inputs=dict(checked),
        )
        return self._run(lambda job: job.diff(call))

    def create(self, checked: Mapping[str, Any], *, preview: bool = False) -> tuple[Any, list[str]]:
        said = Said()
        call = CreateCall(**_operation(said), inputs=dict(checked), preview=preview)
        return self._run(lambda job: job.create(call)), said.lines

    def read(self, checked: Mapping[str, Any], outputs: Mapping[str, Any], run_id: str) -> Any:
        call = ReadCall(**_operation(Said()), id=run_id, inputs=dict(checked), outputs=dict(outputs))
        return self._run(lambda job: job.read(call))

    def delete(self, checked: Mapping[str, Any], outputs: Mapping[str, Any], run_id: str) -> list[str]:
        said = Said()
        call = DeleteCall(**_operation(said), id=run_id, old_inputs=dict(checked), outputs=dict(outputs))
        self._run(lambda job: job.delete(call))
        return said.lines

    def record(self, run_id: str) -> Record:
        return Record(Store.open(str(self.store)), run_id)

    def _run(self, work: Callable[[Any], Any]) -> Any:
        job = handlers()[TYPE]
        job.configured(ProviderConfig(program_directory=str(self.base)))

        async def operation() -> Any:
            try:
                return await work(job)
            finally:
                await job.closing()

        return asyncio.run(operation())


_CALL = {"urn": URN, "name": "fit", "type": TYPE}


def _operation(said: Said) -> dict[str, Any]:
    return {**_CALL, "progress": said, "cancelled": Cancellation()}


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def _newer(path: Path) -> None:
    document = json.loads(path.read_bytes())
    path.write_bytes(json.dumps({**document, "version": 99, "shiny": [1]}).encode())


def _wrong_types(path: Path) -> None:
    document = json.loads(path.read_bytes())
    path.write_bytes(json.dumps({name: [{"no": None}] for name in document}).encode())


def _folder(path: Path) -> None:
    path.unlink()
    (path / "inside").mkdir(parents=True)


def _dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.parent / "nowhere")


WAYS: dict[str, Callable[[Path], None]] = {
    "empty": lambda path: _write(path, b""),
    "truncated": lambda path: _write(path, path.read_bytes()[: path.stat().st_size // 2]),
    "zeros": lambda path: _write(path, bytes(path.stat().st_size)),
    "wrong JSON": lambda path: _write(path, b"{garbage"),
    "another value": lambda path: _write(path, b"[1, null]"),
    "wrong shape": lambda path: _write(path, b"{}"),
    "wrong types": _wrong_types,
    "not UTF-8": lambda path: _write(path, b'{"run_id": "\xff\xfe"}'),
    "nested deeply": lambda path: _write(path, b'{"a":' * 100_000),
    "nested less": lambda path: _write(path, b'{"a":' * 500 + b"1" + b"}" * 500),
    "no number": lambda path: _write(path, b'{"version": NaN, "attempt": 1e400}'),
    "newer version": _newer,
    "gone": lambda path: path.unlink(),
    "a folder": _folder,
    "a link to nowhere": _dangling,
}


def restore(pristine: Path, store: Path) -> None:
    """The store as it was."""
    shutil.rmtree(store, ignore_errors=True)
    shutil.copytree(pristine, store, symlinks=True)


def snapshot(folder: Path) -> dict[str, bytes | None]:
    """Every file below a folder by its path; locks are none of what is kept."""
    found: dict[str, bytes | None] = {}
    for base, _, names in os.walk(folder):
        for name in names:
            path = Path(base, name)
            if not name.startswith(".~") and path.suffix != ".lock":
                found[str(path.relative_to(folder))] = path.read_bytes() if path.is_file() else None
    return found
