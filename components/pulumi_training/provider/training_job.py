"""The handler of `training:index:TrainingJob`: the protocol's steps, each carried out by a module of its own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..driver.attach import take_up
from ..driver.forecast import forecast
from ..driver.intend import is_adoptable
from ..driver.last import last
from ..driver.next_up import announce, announce_create, decide, is_followed_at_once
from ..driver.policy import Policy
from ..driver.request import Request
from ..driver.sharing import kept_for, named, others, take_in
from ..driver.start import let_go
from ..driver.stop import remove
from ..driver.track import catch_up, credentials_in
from ..identity.key import run_id
from ..record.attempt import Attempt
from ..record.backend import Backend
from ..record.claims import release
from ..record.documents import masked
from ..record.files import write_whole
from ..record.record import Record
from ..record.staging import plan_file
from ..record.store import Store
from ..record.store_identity import identity_of
from ..spec.document import UnreadableDocument
from ..spec.outcome import Status
from ..spec.secrecy import hidden, hide_in_compute
from ..targets import catalog
from ..targets.contract.plan import UNKNOWN_PART, Plan
from ..targets.contract.run import RunSpec
from ..targets.withheld import lend
from . import training_job_run as running
from .attendance import Attendance
from .handler import (
    CheckAnswer,
    CheckCall,
    CreateAnswer,
    CreateCall,
    DeleteCall,
    DiffAnswer,
    DiffCall,
    ReadAnswer,
    ReadCall,
    ResourceHandler,
    UpdateAnswer,
    UpdateCall,
)
from .lost_runs import LostRuns
from .pool import blocking
from .training_job_check import check, declared
from .training_job_diff import diff
from .training_job_read import read
from .wire import UNKNOWN, contains_unknown, unwrap_secrets

_LETTING_GO_SECONDS = 2.0


class TrainingJobHandler(ResourceHandler):
    """Keeps in memory only what one operation needs: the trees seen, why each job differs, the answers given."""

    def __init__(self) -> None:
        self._why: dict[str, list[str]] = {}
        self._seen: dict[str, str] = {}
        self._answered: dict[str, Attempt] = {}
        self._attendance = Attendance()
        self._lost_runs = LostRuns(self._attendance)

    async def closing(self) -> None:
        """The engine has read every answer: the attempts they carried are acknowledged."""
        answered, self._answered = self._answered, {}
        await asyncio.gather(*(blocking(_acknowledge, attempt) for attempt in answered.values()))
        await blocking(self._attendance.end)
        await blocking(let_go, _LETTING_GO_SECONDS)

    async def check(self, call: CheckCall) -> CheckAnswer:
        """See `training_job_check`."""
        answer, tree_digest = await blocking(check, call, self.base)
        if tree_digest is not None:
            self._seen[call.urn] = tree_digest
        if answer.problems:
            return answer
        lost = await blocking(self._lost, call, answer.inputs)
        return replace(answer, warnings=(*answer.warnings, *lost))

    async def diff(self, call: DiffCall) -> DiffAnswer:
        """See `training_job_diff`; a Diff has seen the state, so its attempt is acknowledged."""
        answer, words = await blocking(self._diff, call)
        self._why[call.urn] = words
        return answer

    async def create(self, call: CreateCall) -> CreateAnswer:
        """In preview what is known already, else the whole run."""
        if call.preview:
            return await self._preview_create(call)
        record, attempt, outputs = await running.create(
            call, self.base, self._attendance, self._seen.get(call.urn)
        )
        self._answered[call.urn] = attempt
        return CreateAnswer(record.run_id, outputs)

    async def update(self, call: UpdateCall) -> UpdateAnswer:
        """In preview the step that will be taken, else the step."""
        if call.preview:
            return await self._preview_update(call)
        _, attempt, outputs = await running.update(
            call, self.base, self._attendance, self._seen.get(call.urn)
        )
        self._answered[call.urn] = attempt
        return UpdateAnswer(outputs)

    async def read(self, call: ReadCall) -> ReadAnswer | None:
        """See `training_job_read`."""
        return await blocking(read, call, self.base, self.config, self._attendance)

    async def delete(self, call: DeleteCall) -> None:
        """Stops what runs and removes what the target holds; the record stays unless purgeOnDelete."""
        old_inputs, _ = unwrap_secrets(call.old_inputs)
        store = (old_inputs.get("compute") or {}).get("store")
        if not isinstance(store, str):
            return
        record = Record(Store.open(store, base=self.base), call.id)
        if not await blocking(lambda: record.exists() or record.numbers()):
            return
        secrets = declared(call.old_inputs, call.name).secrets
        lend(call.id, secrets)
        up_to = call.outputs.get("attempt")
        purge = bool(old_inputs.get("purgeOnDelete", False))
        call.progress.line(
            "removing the run and its record"
            if purge
            else "removing the run from its target; its record is kept"
        )
        backend = await blocking(self._backend)
        theirs = await blocking(others, record, backend)
        after = await blocking(kept_for, record, theirs) if theirs else 0
        await blocking(
            remove,
            record,
            up_to=int(up_to) if isinstance(up_to, int) else None,
            after=after,
            purge=purge,
            compute=hide_in_compute(old_inputs.get("compute") or {}, hidden(secrets)),
            tell=call.progress.warning,
        )
        if after:
            words = f"attempts of run {call.id} up to {after} stay as they are: {named(theirs)} has them too"
            call.progress.warning(f"{words}; `pulumi-training cancel {call.id}` stops what runs of them")
        if backend is not None:
            await blocking(release, record, backend.digest)

    async def _preview_create(self, call: CreateCall) -> CreateAnswer:
        for words in self._why.pop(call.urn, []):
            call.progress.info(words)
        if contains_unknown(call.inputs.get("runKey", UNKNOWN)):
            return CreateAnswer("", {})
        request = running.request_of(call, self.base, await blocking(self._backend))
        from ..targets.compute_settings import notes

        for note in notes(request.document()):
            call.progress.info(note)
        record = request.record()
        newest = await blocking(lambda: record.newest() if record.exists() else None)
        number = 1 if newest is None else newest.number
        if newest is not None:
            document = await blocking(newest.document)
            if not await blocking(is_adoptable, record, document, request.backend):
                number += 1
            else:
                number += is_followed_at_once(document)
                call.progress.info(await blocking(announce_create, record, document))
        plan = await blocking(_keep_plan, record, number, request)
        call.progress.info(
            str(await blocking(forecast, record.store, call.urn, request.recorded_job, plan.summary))
        )
        attempt = record.attempt(number)
        known = {
            "runId": request.run_id,
            "runKey": request.run_key,
            "sourceDigest": request.source_digest,
            "attempt": number,
            "recordLocation": record.location,
            "outputsLocation": f"{attempt.location}/outputs",
            "logsLocation": f"{attempt.location}/logs",
        }
        return CreateAnswer(request.run_id, known)

    async def _preview_update(self, call: UpdateCall) -> UpdateAnswer:
        for words in self._why.pop(call.urn, []):
            call.progress.info(words)
        request = running.request_of(call, self.base, await blocking(self._backend))
        record = request.record()
        found = await blocking(last, record)
        if found is None:
            call.progress.info(f"the record of run {request.run_id} is gone; it will be trained again")
            return UpdateAnswer({})
        document = found.document
        if not (document.outcome and document.outcome.is_success):
            call.progress.info(announce(decide(document, Policy.of(request.recorded_job)), document))
        return UpdateAnswer(_lasting(call.old_outputs))

    def _lost(self, call: CheckCall, inputs: Mapping[str, object]) -> list[str]:
        plain, _ = unwrap_secrets(inputs)
        compute, key = plain.get("compute"), plain.get("runKey")
        if not isinstance(compute, dict) or not isinstance(compute.get("store"), str):
            return []
        workspace, name = compute.get("workspace"), plain.get("name") or call.name
        known = all(isinstance(each, str) for each in (key, workspace, name))
        return self._lost_runs.words(
            Store.open(compute["store"], base=self.base),
            run_id(str(name), str(key), call.urn, str(workspace)) if known else None,
        )

    def _backend(self) -> Backend | None:
        return self._attendance.backend

    def _diff(self, call: DiffCall) -> tuple[DiffAnswer, list[str]]:
        answered, words = diff(call)
        return answered, [*words, *self._acknowledge_state(call)]

    def _acknowledge_state(self, call: DiffCall) -> list[str]:
        """Words about a record that cannot be read."""
        old_inputs, _ = unwrap_secrets(call.old_inputs)
        compute = old_inputs.get("compute") or {}
        store, number = compute.get("store"), call.old_outputs.get("attempt")
        if isinstance(store, str) and isinstance(number, int):
            record = Record(Store.open(store, base=self.base), call.id)
            if (problem := _acknowledge(record.attempt(number))) is not None:
                # Its own run, which an `up` or a `destroy` must be able to replace or remove.
                return [problem]
            take_in(record, self._attendance.backend, call.owner, number)
            if (
                call.old_outputs.get("status") not in _ENDED
            ):  # nothing else asks after one that is not waited for
                take_up(record, self.base)
            if compute.get("trackingUri"):  # a hundred jobs that are not tracked cost no look
                new_inputs, _ = unwrap_secrets(call.inputs)
                catch_up(record, self.base, credentials_in(old_inputs, new_inputs))
        return []


_ENDED = frozenset(status.value for status in Status if status.is_terminal)


def _acknowledge(attempt: Attempt) -> str | None:
    """Notes that the attempt was answered for; words where its record cannot be read, which is left as it is."""
    try:
        if attempt.exists() and not attempt.document().acknowledged:
            attempt.update(acknowledged=True)
    except UnreadableDocument as error:
        return error.message
    return None


def _lasting(outputs: dict[str, Any]) -> dict[str, Any]:
    """Outputs that an update in place cannot change; the others are unknown until it is done."""
    return {
        name: outputs[name]
        for name in ("runId", "runKey", "sourceDigest", "recordLocation")
        if name in outputs
    }


def _keep_plan(record: Record, number: int, request: Request) -> Plan:
    """Keeps the exact request for `pulumi-training plan`, on this machine: a preview writes nothing elsewhere."""
    document = request.document()
    target = catalog.get(document["compute"]["target"])
    backend = request.backend.digest if request.backend else ""
    attempt = record.attempt(number)
    # One that is there is gone on with, under the names it has; a store gets its identity with its first attempt.
    store = (
        attempt.document().store_identity if attempt.exists() else identity_of(record.store) or UNKNOWN_PART
    )
    run = RunSpec(
        record.run_id, number, document, request.base, attempt.folder, request.secrets, owner=request.urn, store=store,
        backend=backend,
    )  # fmt: skip
    plan = target.plan(run, target.find_prepared(run))
    content = {"urn": request.urn, "store": record.store.display, "plan": plan.to_json()}
    content = masked(content, tuple(request.secrets.values()))
    write_whole(
        plan_file(record.store.url, record.run_id),
        json.dumps(content, indent=1).encode(),
        durable=False,
    )
    return plan
