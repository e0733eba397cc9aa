"""The target of the namespaces: what `targets.containers` leaves to a target, and no more."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pulumi_training.spec.outcome import Reason
from pulumi_training.targets.containers import names
from pulumi_training.targets.containers.backend import Backend, NameTaken
from pulumi_training.targets.containers.data_layout import fetch_inputs
from pulumi_training.targets.containers.mark import MarkFile
from pulumi_training.targets.containers.node_layout import SECRET_FILE
from pulumi_training.targets.containers.node_start import first_command, node_words
from pulumi_training.targets.containers.plan_parts import plan_parts, summary
from pulumi_training.targets.containers.target import ContainerTarget
from pulumi_training.targets.contract.handle import ComputeReference, Handle
from pulumi_training.targets.contract.plan import Plan
from pulumi_training.targets.contract.run import Prepared, RunSpec
from pulumi_training.targets.contract.target import Tell
from pulumi_training.targets.launching import gpus_of_node
from pulumi_training.targets.local.target import LocalTarget

from .descriptor import FOLDER, TARGET
from .machine import Node, address_of, make_network
from .transport import NamespaceTransport


class NamespaceBackend(Backend[NamespaceTransport]):
    """See `Backend`; an address is the folder of the nodes."""

    mark = MarkFile(TARGET)
    lost = "out of reach"

    def connect(self, address: Mapping[str, str]) -> NamespaceTransport:
        return NamespaceTransport(Path(address[FOLDER]))

    def address_in(self, known: Mapping[str, Any]) -> dict[str, str]:
        return {FOLDER: known[FOLDER]} if FOLDER in known else {}

    def address_of(self, compute: ComputeReference) -> dict[str, str]:
        return {FOLDER: compute.settings[FOLDER]}

    def create(self, transport: NamespaceTransport, plan: Plan, run: RunSpec) -> list[str]:
        request = plan.request
        is_alone = len(request["nodes"]) == 1
        tag = "" if is_alone else f"n{hashlib.sha256(request['nodes'][0]['name'].encode()).hexdigest()[:6]}"
        hosts = {node["hostname"]: address_of(node["node"]) for node in request["nodes"]}
        made = []
        for node in request["nodes"]:
            facts = {
                **node,
                "labels": names.labels_of(run, node["node"]),
                "command": [*first_command(request["agent"][0]), *node_words(request, node)],
                "environment": request["environment"],
                "hosts": {node["hostname"]: "127.0.0.1"} if is_alone else hosts,
                "network": tag,
            }
            try:
                made.append(str(Node.create(transport.folder / node["name"], facts).place))
            except FileExistsError as error:
                raise NameTaken(Reason.LAUNCH_FAILED, f"{node['name']} is there already") from error
        if tag:
            make_network(tag, len(made))
        return made


class NamespaceTarget(ContainerTarget):
    """See `ContainerTarget`. Environments are this machine's."""

    name = TARGET
    leaves = "nodes"
    backend = NamespaceBackend()

    def prepare(self, run: RunSpec, tell: Tell) -> Prepared:
        found = LocalTarget().prepare(_without_data(run), tell)
        data = fetch_inputs(run, tell)
        settings = {**_settings(found), **{f"data.{name}": path for name, path in data.items()}}
        return replace(found, settings=settings, data=data)

    def find_prepared(self, run: RunSpec) -> Prepared | None:
        found = None if run.job.inputs else LocalTarget().find_prepared(_without_data(run))
        return replace(found, settings=_settings(found), data={}) if found else None

    def plan(self, run: RunSpec, prepared: Prepared | None) -> Plan:
        job = run.job
        parts = plan_parts(run, prepared.settings if prepared else {})
        document = {
            "agent": parts.agent,
            "owner": parts.owner,
            "secret_file": SECRET_FILE,
            "nodes": parts.nodes,
            "environment": parts.environment,
            "links": dict(parts.places.links),
            "folders": list(parts.places.folders),
            "copies": parts.copies,
            "launch": parts.launch,
        }
        return Plan(
            TARGET,
            run.run_id,
            run.attempt,
            document,
            slots=job.world_size,
            gpus=job.node_count * gpus_of_node(run),
            summary=summary(run, "node"),
        )

    def leftovers(self, compute: ComputeReference | None, tell: Tell) -> Iterable[Handle]:
        if compute is None:
            return
        address = self.backend.address_of(compute)
        wanted = names.labels_of_workspace(compute.document, compute.store).items()
        labels = [node.facts["labels"] for node in Node.all_in(Path(address[FOLDER]))]
        for run_id, attempt, store, folder in sorted(
            {names.key_of(each) for each in labels if wanted <= each.items()}
        ):
            yield Handle(TARGET, run_id, attempt, folder, address, store)


def _settings(found: Prepared) -> dict[str, str]:
    return {**found.settings, "path": "/usr/sbin:/usr/bin:/sbin:/bin", "cores": str(os.cpu_count() or 1)}


def _without_data(run: RunSpec) -> RunSpec:
    return replace(run, document={**run.document, "inputs": {}, "outputs": {}})
