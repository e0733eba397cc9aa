"""A job as its record has it: what is read of it by name, without the models, which take a quarter second to load.

A test holds names, types and defaults to `JobSpec`. Whoever needs the whole job has `newer_job.recorded_job`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar, get_type_hints

from .document import Count, Shape, fitting

Object = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True)
class RecordedCompute:
    """The cluster; beside these there is the object of a target's settings, under the target's name."""

    target: str = ""
    workspace: str = ""
    store: str = ""
    cluster: str = "default"
    tracking_uri: str | None = None
    settings: Object = field(default_factory=dict)
    max_nodes: Count = 1
    slots_per_node: Count = 1
    gpus_per_node: Count = 0
    price_per_node_hour: float | None = None


@dataclass(frozen=True)
class RecordedRetries:
    """How often the job is tried, and after which failures."""

    max_attempts: Count = 1
    on: tuple[str, ...] = ("node_lost", "preempted", "launch_failed", "target_unavailable")
    backoff_seconds: float = 5.0


@dataclass(frozen=True)
class RecordedJob:
    """The job. Secrets are hidden in it (`spec.secrecy`); `document` is all of it, by wire names."""

    document: Mapping[str, object] = field(default_factory=dict, repr=False)
    name: str | None = None
    display_name: str | None = None
    description: str | None = None
    experiment_name: str | None = None
    source_directory: str = "."
    entry_script: str | None = None
    command: str | None = None
    arguments: tuple[str, ...] = ()
    node_count: Count = 1
    process_count_per_node: Count = 1
    distributed_backend: str | None = None
    metrics_rank: Count = 0
    environment: Object | None = None
    secret_environment_variables: Object | list[Any] = field(default_factory=dict)
    inputs: dict[str, Object] = field(default_factory=dict)
    outputs: dict[str, Object] = field(default_factory=dict)
    compute: RecordedCompute = field(default_factory=RecordedCompute)
    retries: RecordedRetries = field(default_factory=RecordedRetries)
    rerun_failed: str = "on_up"
    expect: dict[str, str] = field(default_factory=dict)
    log_output: str = "progress"
    tags: Object = field(default_factory=dict)
    resume_from: str | None = None
    max_run_duration_seconds: float | None = None
    stall_timeout_seconds: float | None = None
    grace_period_seconds: float = 30.0
    queue_timeout_seconds: float | None = None
    wait: bool = True

    @classmethod
    def of(cls, document: Mapping[str, object], where: str = "the job", advice: str = "") -> RecordedJob:
        """Reads a recorded job; what a version of before did not write has its default.

        Raises:
            DamagedDocument: a property has another type; `where` names the document.
        """
        own = _fields(cls, document, where, advice)
        for name, kind in (("compute", RecordedCompute), ("retries", RecordedRetries)):
            if name in own:
                own[name] = kind(**_fields(kind, own[name], _inside(where, name), advice))
        return cls(document, **own)

    @property
    def world_size(self) -> int:
        """How many processes in all."""
        return self.node_count * self.process_count_per_node


def _inside(where: str, name: str) -> str:
    """The place of a part: in `run.json (spec)`, that of the cluster is `run.json (spec.compute)`."""
    return f"{where[:-1]}.{name})" if where.endswith(")") else where


def _fields(kind: type, document: Mapping[str, object], where: str, advice: str) -> Object:
    """The values for the fields of `kind` by Python's names; what is null is left to the default."""
    names, shape = _names_and_shape(kind)
    found = fitting(shape, document, where, advice)
    return {names[wire]: value for wire, value in found.items() if value is not None}


@cache
def _names_and_shape(kind: type) -> tuple[dict[str, str], Shape]:
    hints = get_type_hints(kind, include_extras=True)
    hints.pop("document", None)
    names = {_wire(name): name for name in hints}
    nested = (RecordedCompute, RecordedRetries)
    return names, {
        wire: (Object if hints[name] in nested else hints[name]) | None for wire, name in names.items()
    }


def _wire(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))
