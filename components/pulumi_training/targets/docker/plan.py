"""The exact containers and launch request of a run on Docker. Pure."""

from __future__ import annotations

from typing import Any

from ..containers.data_layout import Mount
from ..containers.names import object_name
from ..containers.node_layout import AGENT_FOLDER, ROOT_USER, SECRET_FILE
from ..containers.plan_parts import plan_parts, summary
from ..contract.plan import UNKNOWN_PART, Plan
from ..contract.run import Prepared, RunSpec
from ..launching import gpus_of_node
from .settings import container_settings


def plan(run: RunSpec, prepared: Prepared | None) -> Plan:
    """See `Target.plan`. What only submission can tell (which GPUs, the secret) is put in there."""
    job = run.job
    settings = prepared.settings if prepared else {}
    container = container_settings(run.compute or {}, job.shm_size)
    parts = plan_parts(run, settings, user=container.user, nano_cpus=container.nano_cpus)
    is_single = job.node_count == 1
    document = {
        "image": settings.get("image", UNKNOWN_PART),
        "agent": parts.agent,
        "python_version": settings.get("python_version", ""),
        "owner": parts.owner,
        "tmpfs": {
            "/tmp": "exec,mode=1777",
            **({AGENT_FOLDER: "exec,mode=755"} if parts.owner == ROOT_USER else {}),
        },
        "secret_file": SECRET_FILE,
        "network": None if is_single else object_name(run.run_id, run.attempt, store=run.store),
        "nodes": parts.nodes,
        "container": container.to_json(),
        "environment": parts.environment,
        "mounts": [_mounted(mount) for mount in parts.places.mounts],
        "links": dict(parts.places.links),
        "folders": list(parts.places.folders),
        "copies": parts.copies,
        "launch": parts.launch,
    }
    return Plan(
        "docker",
        run.run_id,
        run.attempt,
        document,
        slots=job.world_size,
        gpus=job.node_count * gpus_of_node(run),
        summary=summary(run),
    )


def _mounted(mount: Mount) -> dict[str, Any]:
    """As the engine takes it."""
    return {
        "Type": "volume" if mount.kind == "volume" else "bind",
        "Source": mount.source,
        "Target": mount.target,
        "ReadOnly": mount.read_only,
    }
