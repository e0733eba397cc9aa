"""A finished run repeated from its record alone: its source, its packages at their versions, its arguments."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..environment.beside import keep_again
from ..record.attempt import Attempt
from ..record.documents import AttemptDocument
from ..record.notes import Notes
from ..record.record import Record
from ..spec.errors import PermanentError, Problem, SpecError
from ..spec.newer_job import NOT_KNOWN, unknown_in_record
from ..spec.outcome import Reason
from ..spec.recorded import RecordedJob
from ..spec.secrecy import names_in
from ..targets import catalog
from ..targets.contract.run import RunSpec

_OWNER = "reproduction of "


@dataclass(frozen=True)
class Reproduction:
    """The run that repeats another; `warnings` say what could not be kept the same."""

    record: Record
    attempt: Attempt
    original: Attempt
    base: Path
    secrets: Mapping[str, str]
    warnings: tuple[str, ...] = ()


def reproduce(record: Record, environ: Mapping[str, str] = os.environ) -> Reproduction:
    """Writes the intent of a run that repeats the newest attempt of `record`; `start` sets it going.

    Secrets are not in a record: each must be in `environ` under its name.

    Raises:
        SpecError: a secret is missing.
        PermanentError: the record was pruned, or never ended.
    """
    original = record.newest()
    if original is None:
        raise PermanentError(
            Reason.DATA_UNAVAILABLE, f"the record of {record.run_id} has no attempt to repeat"
        )
    document, run = original.document(), record.run_document()
    if document.is_live:
        raise PermanentError(
            Reason.TARGET_UNAVAILABLE, f"run {record.run_id} is {document.status.value}; wait for its end"
        )
    secrets = _secrets(run.job, environ)
    base = document.notes.base
    spec, warnings = _pinned(run.spec, document, original, base)
    warnings += tuple(f"{path}: {NOT_KNOWN}" for path in unknown_in_record(run.spec))
    again = _free(record)
    again.write_run(
        replace(
            run, run_id=again.run_id, spec=spec, owner={"urn": f"{_OWNER}{record.run_id}"}, newest_attempt=0, created_at=0.0,
            tombstone=None,
        )
    )  # fmt: skip
    notes = Notes.of(series_start=1, base=str(base), tree_digest=document.notes.tree_digest)
    attempt = again.start_attempt(
        AttemptDocument(
            run_id=again.run_id,
            attempt=1,
            target=document.target,
            acknowledged=True,
            notes=notes,
            target_package=document.target_package,
        )
    )
    if attempt is None:
        raise PermanentError(
            Reason.TARGET_UNAVAILABLE, f"run {again.run_id} was just started by another process"
        )
    # The source itself comes from the archive: the tree on disk may have changed since.
    attempt.store.write(
        f"{attempt.prefix}/source.json", original.store.read(f"{original.prefix}/source.json")
    )
    keep_again(original.folder, attempt.prepare_folder())
    return Reproduction(again, attempt, original, base, secrets, warnings)


def _secrets(job: RecordedJob, environ: Mapping[str, str]) -> dict[str, str]:
    names = list(job.secret_environment_variables)
    missing = [name for name in names if name not in environ]
    if missing:
        raise SpecError(
            Problem(
                "secretEnvironmentVariables",
                f"no record holds secrets; set {', '.join(missing)} in this shell first",
            )
        )
    if hidden := names_in(job.document):
        raise SpecError(
            Problem(
                "",
                f"{len(hidden)} secret parts of addresses are in no record; run the job itself again with `pulumi up`",
            )
        )
    return {name: environ[name] for name in names}


def _pinned(
    spec: dict[str, Any], document: AttemptDocument, original: Attempt, base: Path
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The job with its packages at the versions of then; an environment that is still there is used as it is."""
    target = catalog.get(document.target, document.target_package)
    kept = document.environment or {}
    try:
        found = target.find_prepared(RunSpec(original.run_id, original.number, spec, base, original.folder))
    except SpecError:  # files that it was made of are gone; their versions are in the record
        found = None
    if found is not None and found.digest == kept.get("digest"):
        return spec, ()
    environment = spec.get("environment")
    if not environment or spec.get("environmentRef") or environment.get("userManaged"):
        return spec, ()
    if environment.get("condaPackages") or environment.get("condaDependenciesFile"):
        return spec, ("conda packages are solved again: their versions may differ from those of the record",)
    lock = [str(package) for package in kept.get("packages") or []]
    return {**spec, "environment": {**environment, "pipPackages": lock, "pipRequirementsFile": None}}, ()


def _free(record: Record) -> Record:
    """A record that is not there yet: `<run id>-r1`, `-r2`, ..."""
    number = 1
    while (again := Record(record.store, f"{record.run_id}-r{number}")).exists():
        number += 1
    return again
