"""The target of the service: keeps the contract, holds nothing between two calls, asks the service for everything."""

from __future__ import annotations

import base64
import io
import json
import tarfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pulumi_training.launch.request import Limits
from pulumi_training.record.files import write_whole
from pulumi_training.spec.attribution import LaunchFacts, RankFacts
from pulumi_training.spec.errors import TransientError
from pulumi_training.spec.outcome import Status
from pulumi_training.targets.contract.capabilities import Amends, RunsUnattended
from pulumi_training.targets.contract.handle import ComputeReference, Handle
from pulumi_training.targets.contract.observation import Observation
from pulumi_training.targets.contract.plan import Plan
from pulumi_training.targets.contract.run import Prepared, RunSpec
from pulumi_training.targets.contract.target import Target, Tell
from pulumi_training.targets.local.target import LocalTarget
from unattended.client import Client
from unattended.names import ADDRESS, FOLDER, TARGET, name_of

_SETTLE_SECONDS = 30.0
_PRETENDED = Prepared({"python": "/bin/true"}, digest="pretended")


class UnattendedTarget(Target, Amends, RunsUnattended):
    """See `Target`. Environments are this machine's, for the service runs on it."""

    name = TARGET
    leaves = "attempts"

    def prepare(self, run: RunSpec, tell: Tell) -> Prepared:
        if _is_pretended(run):
            return _PRETENDED
        return _moved(LocalTarget().prepare(run, tell), run)

    def find_prepared(self, run: RunSpec) -> Prepared | None:
        if _is_pretended(run):
            return _PRETENDED
        return LocalTarget().find_prepared(run)

    def plan(self, run: RunSpec, prepared: Prepared | None) -> Plan:
        plan = LocalTarget().plan(run, prepared)
        request = json.loads(json.dumps(dict(plan.request)).replace(str(run.folder), FOLDER))
        return replace(plan, target=TARGET, request=request, summary=f"at the service, {plan.slots} slots")

    def submit(self, plan: Plan, run: RunSpec) -> Handle:
        client = _client(run.compute_reference)
        name = name_of(run.run_id, run.attempt, run.store)
        request = dict(plan.request)
        request["environment"] = {**request["environment"], **run.tracking}
        request["limits"] = dict(Limits.of_job(run.document).__dict__)
        if not _is_pretended(run) and client.ask("observe", names=[name])[name] is None:
            client.send("code", _packed(run.code), name)
        client.ask(
            "submit",
            name=name,
            run_id=run.run_id,
            attempt=run.attempt,
            store=run.store,
            slots=plan.slots,
            request=request,
            prefix=request["prefix"],
            secrets=run.variables,
        )
        return Handle.of(TARGET, run, {ADDRESS: client.address})

    def observe(self, compute: ComputeReference, handles: Sequence[Handle]) -> Mapping[Handle, Observation]:
        try:
            answer = _client(compute).ask("observe", names=[_name(handle) for handle in handles])
        except TransientError as error:
            return dict.fromkeys(handles, Observation.unanswered(error.message))
        return {handle: _observation(answer[_name(handle)]) for handle in handles}

    def mirror(self, compute: ComputeReference, handle: Handle, folder: Path) -> bool:
        have = {
            path.relative_to(folder).as_posix(): path.stat().st_size
            for part in ("logs", "metrics")
            for path in (folder / part).rglob("*")
            if path.is_file()
        }
        answer = _client(compute, handle).ask("mirror", name=_name(handle), have=have)
        for piece in answer["pieces"]:
            path, data = folder / piece["path"], base64.b64decode(piece["data"])
            path.parent.mkdir(parents=True, exist_ok=True)
            if not piece["start"]:
                write_whole(path, data, durable=False)
                continue
            with path.open("r+b") as stream:
                stream.seek(piece["start"])
                stream.write(data)
        return bool(answer["is_all"])

    def amend(self, compute: ComputeReference, handle: Handle, document: Mapping[str, Any]) -> None:
        _client(compute, handle).ask(
            "amend", name=_name(handle), limits=dict(Limits.of_job(document).__dict__)
        )

    def cancel(self, compute: ComputeReference, handle: Handle, grace: float) -> None:
        client, name = _client(compute, handle), _name(handle)
        client.ask("cancel", name=name, grace=grace)
        end = time.monotonic() + grace + _SETTLE_SECONDS
        while not client.ask("is_over", name=name)["is_over"]:
            if time.monotonic() > end:
                raise TransientError(f"{name} was asked to stop and runs still")
            time.sleep(0.05)

    def collect(self, compute: ComputeReference, handle: Handle, run: RunSpec, tell: Tell) -> None:
        from pulumi_training.data.mount import deliver, delivered

        named = delivered(run.job.outputs, run.code, base=run.base) if run.document["outputs"] else {}
        own = [str(place.relative_to(run.folder)) for place in named.values()]
        client, name = _client(compute, handle), _name(handle)
        if client.ask("observe", names=[name])[name] is None:
            return  # forgotten; what was collected before stays
        _bring(client, name, run.folder, own)
        if named:
            deliver(run.job.outputs, run.code, tell, base=run.base)

    def remove(self, compute: ComputeReference, handle: Handle) -> None:
        client, name = _client(compute, handle), _name(handle)
        if client.ask("observe", names=[name])[name] is None:
            return
        self.cancel(compute, handle, 0.0)
        if handle.folder and Path(handle.folder).is_dir():
            _bring(client, name, Path(handle.folder), [])  # the record stays
        client.ask("remove", name=name)

    def leftovers(self, compute: ComputeReference | None, tell: Tell) -> Iterable[Handle]:
        if compute is None:
            return
        for found in _client(compute).ask("all")["attempts"]:
            if found["store"] == compute.store:
                yield Handle(TARGET, found["run_id"], found["attempt"], "", store=found["store"])


def _bring(client: Client, name: str, folder: Path, own: list[str]) -> None:
    archive = client.send("collect", json.dumps({"own": own}).encode(), name)
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")


def _is_pretended(run: RunSpec) -> bool:
    """Whether the job is one that no process is started for, as in tests of a thousand."""
    return run.document["environmentVariables"].get("PRETENDED") == "yes"


def _client(compute: ComputeReference, handle: Handle | None = None) -> Client:
    """The service: where an attempt was submitted, or where the cluster says."""
    return Client((handle.settings if handle else {}).get(ADDRESS) or compute.settings[ADDRESS])


def _name(handle: Handle) -> str:
    return name_of(handle.run_id, handle.attempt, handle.store)


def _moved(prepared: Prepared, run: RunSpec) -> Prepared:
    """Folders of data that are in the attempt's are in the one at the service."""
    data = {name: path.replace(str(run.folder), FOLDER) for name, path in prepared.data.items()}
    return replace(prepared, data=data)


def _packed(code: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.add(code, ".")
    return buffer.getvalue()


def _observation(answer: Mapping[str, Any] | None) -> Observation:
    if answer is None:
        return Observation(Status.NOT_STARTED)
    launch = answer.get("launch")
    return Observation(
        Status(answer["status"]),
        tuple(RankFacts(**rank) for rank in answer.get("ranks") or ()),
        LaunchFacts(**launch) if launch else None,
        answer.get("started_at"),
    )
