"""An attempt between record and target: as a target sees it, and what was planned for it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..record.attempt import Attempt
from ..record.documents import AttemptDocument
from ..record.record import Record
from ..targets.contract.handle import ComputeReference, Handle
from ..targets.contract.plan import Plan
from ..targets.contract.run import Prepared, RunSpec
from ..targets.withheld import lend


def attempt_run(record: Record, attempt: Attempt, base: Path, secrets: Mapping[str, str]) -> RunSpec:
    """An attempt as a target sees it, before it is known what it resumes from."""
    run, document = record.run_document(), attempt.document()
    lend(run.run_id, secrets)
    return RunSpec(
        run.run_id,
        attempt.number,
        run.spec,
        base,
        attempt.prepare_folder(),
        secrets,
        owner=run.owner.get("urn", ""),
        store=document.store_identity,
        backend=document.backend,
        driven_on=driven_on(document),
    )


def compute_of(spec: Mapping[str, Any], run_id: str, document: AttemptDocument) -> ComputeReference:
    """Where an attempt's backend is, by the job as its run's record has it.

    Of an attempt at another target than the job's of now only that is known; its handle knows more.
    """
    compute = spec.get("compute") or {}
    if compute.get("target") != document.target:
        compute = {"target": document.target}
    return ComputeReference(compute, run_id, document.store_identity)


def driven_on(document: AttemptDocument) -> str:
    """The other machine that drove a live attempt last; empty where it is this one, and where nothing can live there."""
    if not document.is_live or (document.handle is None and document.plan is None):
        return ""
    host = str((document.supervisor or {}).get("host") or "")
    return "" if host == os.uname().nodename else host


def handle_of(attempt: Attempt, document: AttemptDocument) -> Handle:
    """The handle of an attempt as recorded, or rebuilt where a crash came before it was written.

    Its folder is the attempt's of now: the store may have been moved since, or be a copy of the one that it began in.
    """
    here = str(attempt.folder)
    elsewhere = driven_on(document)
    if not document.handle:
        identity = document.store_identity
        return Handle(
            document.target, attempt.run_id, attempt.number, here, store=identity, driven_on=elsewhere
        )
    handle = Handle.from_json({**document.handle, "store": document.store_identity, "driven_on": elsewhere})
    if handle.folder == here:
        return handle
    # One that is there belongs to a store that this one is a copy of; or it is another working copy of a remote store,
    # of another machine or another state folder.
    is_of_another = attempt.store.is_local and os.path.isdir(handle.folder)
    return replace(handle, folder=here, began_in="" if is_of_another else handle.folder)


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
