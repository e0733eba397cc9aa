"""Jobs for the service: their intents, as a plugin makes them, and whether something comes in time."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pulumi_training.driver.intend import intend
from pulumi_training.driver.request import Request
from pulumi_training.identity.tree import read_tree
from pulumi_training.record.record import Record
from pulumi_training.spec.job import JobSpec
from unattended.service import Service

OWN = {"userManaged": True, "interpreter": sys.executable}
"""The environment of the tests themselves: nothing is built."""


def gated(gate: Path, *, before: str = "", after: str = "") -> str:
    """A script that says that it is ready and waits until the file `gate` is there."""
    wait = f"while not os.path.exists({str(gate)!r}):\n    time.sleep(0.05)\n"
    return f"import os, time\n{before}print('ready', flush=True)\n{wait}{after}"


def until(what: Callable[[], Any], words: str, seconds: float = 60.0) -> Any:
    """Waits for something true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.02)
    raise AssertionError(f"did not come within {seconds:g} s: {words}")


class Jobs:
    """Jobs of one program in `base`; their records are in `base`/store."""

    def __init__(self, base: Path, service: Service) -> None:
        self.base = base
        self.service = service
        self.store = base / "store"
        self.gate = base / "gate"

    def gated(self, **more: str) -> str:
        """A script that runs until `open_gate`."""
        return gated(self.gate, **more)

    def open_gate(self) -> None:
        """Lets what waits go on."""
        self.gate.touch()

    def request(self, script: str, name: str = "fit", **fields: Any) -> Request:
        source = self.base / name / "src"
        source.mkdir(parents=True, exist_ok=True)
        (source / "train.py").write_text(script)
        job = JobSpec.model_validate(
            {
                "sourceDirectory": f"{name}/src",
                "entryScript": "train.py",
                "environment": OWN,
                "gracePeriodSeconds": 2,
                "compute": self.service.compute(str(self.store)),
                **fields,
            }
        )
        tree = read_tree(source)
        return Request(
            name=name,
            job=job,
            urn=f"urn:pulumi:dev::tests::training:index:TrainingJob::{name}",
            stack="dev",
            project="tests",
            run_key=f"v1:{name}",
            source_digest=tree.digest,
            seen_digest=tree.digest,
            base=self.base,
            secrets=job.secret_environment_variables,
        )

    def intend(self, script: str, name: str = "fit", **fields: Any) -> Record:
        """The record of a run whose first attempt is intended and not begun."""
        request = self.request(script, name, **fields)
        return intend(request, lambda: read_tree(self.base / name / "src"), lambda line: None).record
