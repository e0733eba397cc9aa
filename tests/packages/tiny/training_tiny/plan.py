"""The exact request of a run. Pure."""

from __future__ import annotations

from pulumi_training.spec.settings import settings_of
from pulumi_training.targets.contract.plan import UNKNOWN_PART, Plan
from pulumi_training.targets.contract.run import Prepared, RunSpec

from .settings import TinySettings


def plan(run: RunSpec, prepared: Prepared | None) -> Plan:
    """One command."""
    python = prepared.settings["python"] if prepared else UNKNOWN_PART
    script = [python, str(run.document["entryScript"]), *map(str, run.document["arguments"])]
    niceness = settings_of(TinySettings, run.compute, "tiny").niceness
    command = ["nice", "-n", str(niceness), *script] if niceness else script
    return Plan("tiny", run.run_id, run.attempt, {"command": command}, summary="one process")
