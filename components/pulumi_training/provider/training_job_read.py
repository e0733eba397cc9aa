"""Read of a training job: refresh and import, answered from the record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..driver.attach import observed
from ..driver.last import last
from ..driver.sharing import take_in
from ..driver.track import catch_up, credentials_in
from ..identity.rules import said
from ..record.record import Record
from ..record.store import Store
from ..spec.errors import Problem, SpecError
from .attendance import Attendance
from .handler import InitFailed, ProviderConfig, ReadAnswer, ReadCall
from .training_job_outputs import outputs, reasons
from .wire import keep_secrets, unwrap_secrets


def read(call: ReadCall, base: Path, config: ProviderConfig, attendance: Attendance) -> ReadAnswer | None:
    """The job as its record has it; a failed run is a failed resource again.

    Only a store that answers that there is no such run makes the job gone.

    Raises:
        InitFailed: the run ended, and not well.
        SpecError: an import id that names no store.
    """
    store_url, run_id = _place(call, config)
    record = Record(Store.open(store_url, base=base), run_id)
    found = last(record)
    if found is None:
        return None
    attempt, document = found.attempt, found.document
    if not found.is_pruned:
        document = observed(record, attempt, base)
        attempt.update(acknowledged=True)
        if not call.is_import:  # whoever only reads it does not have it; an import is followed by a Diff
            take_in(record, attendance.backend, call.owner, attempt.number)
        catch_up(record, base, credentials_in(unwrap_secrets(call.inputs)[0]))
    run = record.run_document()
    answered = outputs(record, run, attempt, document)
    inputs: dict[str, Any] = dict(call.inputs)
    if call.is_import:
        from ..spec.newer_job import NOT_KNOWN, recorded_job, unknown_in_record

        job = recorded_job(run.spec)
        for path in unknown_in_record(run.spec):
            call.progress.warning(f"{path}: {NOT_KNOWN}")
        inputs = job.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        inputs |= {"sourceDigest": run.source_digest, "runKey": run.run_key} | said(run.source_rules)
        if run.environment_files:
            inputs["environmentFiles"] = dict(run.environment_files)
        if inputs.get("name") == call.name:
            del inputs["name"]  # a program that leaves it to the resource's name must not differ
        inputs.pop("secretEnvironmentVariables", None)  # the record has their names only
    inputs = dict(keep_secrets(inputs, call.inputs))
    if document.outcome is not None and not document.outcome.is_success and not document.notes.will_retry:
        raise InitFailed(run_id, answered, inputs, reasons(document.outcome, attempt))
    return ReadAnswer(run_id, answered, inputs)


def _place(call: ReadCall, config: ProviderConfig) -> tuple[str, str]:
    """The store and the run id: from the inputs, from `<store URL>#<run id>`, or the configured store."""
    if "#" in call.id:
        url, _, run_id = call.id.rpartition("#")
        return url, run_id
    inputs, _ = unwrap_secrets(call.inputs)
    store: Any = (inputs.get("compute") or {}).get("store") or config.store
    if not isinstance(store, str):
        raise SpecError(
            Problem(
                "",
                f"cannot tell where run {call.id!r} is recorded; write the id as '<store URL>#{call.id}', or run "
                "`pulumi config set training:store <URL>`",
            )
        )
    return store, call.id
