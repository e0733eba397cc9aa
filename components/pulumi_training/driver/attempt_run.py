"""An attempt between record and target: as a target sees it, and what was planned for it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..record.attempt import Attempt
from ..record.record import Record
from ..targets.base import Plan, Prepared, RunSpec


def attempt_run(record: Record, attempt: Attempt, base: Path, secrets: Mapping[str, str]) -> RunSpec:
    """An attempt as a target sees it, before it is known what it resumes from."""
    run = record.run_document()
    return RunSpec(
        run.run_id,
        attempt.number,
        run.spec,
        base,
        attempt.prepare_folder(),
        secrets,
        owner=run.owner.get("urn", ""),
    )


def record_plan(attempt: Attempt, plan: Plan, prepared: Prepared) -> None:
    """Keeps what will be sent, and what it was prepared from."""
    attempt.update(
        plan=plan.to_json(),
        environment={
            "digest": prepared.digest,
            "packages": list(prepared.packages),
            "warnings": list(prepared.warnings),
        },
    )
    for warning in prepared.warnings:
        attempt.event("warning", warning)
