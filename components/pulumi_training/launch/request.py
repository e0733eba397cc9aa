"""The launch request: everything the agent needs to know about one launch, as `launch.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

VERSION = 1
MASTER_PORT = 29500
"""Where rank 0 listens. Stands in the plan of a place whose runs share a network for the free port that is found there."""


@dataclass(frozen=True)
class Limits:
    """Seconds; None is no limit.

    `run_seconds` counts from the launcher's start; `stall_seconds` is silence of all ranks; `grace_seconds`
    lies between SIGTERM and SIGKILL; within `start_seconds` every rank must have come.
    """

    run_seconds: float | None = None
    stall_seconds: float | None = None
    grace_seconds: float = 30.0
    start_seconds: float = 300.0

    @classmethod
    def of_job(cls, document: Mapping[str, Any]) -> Limits:
        """The limits that the agent keeps, from a job as recorded."""
        return cls(
            run_seconds=document["maxRunDurationSeconds"],
            stall_seconds=document["stallTimeoutSeconds"],
            grace_seconds=document["gracePeriodSeconds"],
        )


@dataclass(frozen=True)
class LaunchRequest:
    """One launch. All paths are absolute; no field holds a secret.

    `hosts` has one name per node, or ["localhost"] where nodes are labels on one machine. `launcher` is the
    whole `mpirun` line up to the program (`mpirun.launcher_line`), None for one rank without a launcher.
    `script` is the argv of every rank, `cwd` the run's copy of the source, `folder` the attempt's folder.
    `secret_names` name variables whose values are in the environment of `agent run` itself; they are masked
    in the logs. `slots_cores` is the cores of a slot (OMP_NUM_THREADS). `gpus` has the GPU ids of each slot:
    one entry per rank where nodes share a machine, else one per process of a node. `agent` is the argv prefix
    that runs the agent on every node. `worker_count` and `parameter_server_count` are TensorFlow's: workers
    are the first ranks (None: all that are no parameter servers). `store` is the identity of the run's store, empty
    for attempts that began before stores had one.
    """

    run_id: str
    attempt: int
    script: list[str]
    cwd: str
    folder: str
    agent: list[str]
    node_count: int = 1
    process_count_per_node: int = 1
    hosts: list[str] = field(default_factory=lambda: ["localhost"])
    launcher: list[str] | None = None
    flavour: str | None = None
    environment: dict[str, str] = field(default_factory=dict)
    secret_names: list[str] = field(default_factory=list)
    backend: str | None = None
    slots_cores: int | None = None
    gpus: list[list[int]] = field(default_factory=list)
    master_addr: str = "127.0.0.1"
    master_port: int = MASTER_PORT
    worker_count: int | None = None
    parameter_server_count: int = 0
    limits: Limits = field(default_factory=Limits)
    store: str = ""

    def __post_init__(self) -> None:
        for name in ("cwd", "folder"):
            if not getattr(self, name).startswith("/"):
                raise ValueError(f"{name} must be an absolute path")
        if self.launcher is None and self.node_count * self.process_count_per_node != 1:
            raise ValueError("more than one rank needs a launcher")

    def to_json(self) -> dict[str, Any]:
        """The document `launch.json`."""
        document = {"version": VERSION, **asdict(self)}
        if not self.store:
            del document["store"]
        return document
