"""What may be chosen about a run's course: retries, re-runs, waiting, logs."""

from __future__ import annotations

from enum import Enum

from .fields import Model, inplace


class RetryOn(str, Enum):
    """Failures that a retry can be asked for, in the words of `retries`."""

    NODE_LOST = "node_lost"
    PREEMPTED = "preempted"
    LAUNCH_FAILED = "launch_failed"
    STALLED = "stalled"
    SCRIPT_FAILED = "script_failed"
    RANK_SIGNALED = "rank_signaled"
    OUT_OF_MEMORY = "out_of_memory"
    DATA_UNAVAILABLE = "data_unavailable"
    TARGET_UNAVAILABLE = "target_unavailable"


class Retries(Model):
    """How often a run is tried, and after which failures; never after a script error unless asked."""

    max_attempts: int = inplace(1, ge=1, le=100, description="How many attempts in all.", example=3)
    on: list[RetryOn] = inplace(
        [RetryOn.NODE_LOST, RetryOn.PREEMPTED, RetryOn.LAUNCH_FAILED, RetryOn.TARGET_UNAVAILABLE],
        description="The failures that are retried.",
        example=["node_lost", "preempted"],
    )
    backoff_seconds: float = inplace(
        5.0,
        ge=0,
        description="The wait before the second attempt, in seconds; doubled for each further one.",
        example=5,
    )


class RerunFailed(str, Enum):
    """When a script that failed is run again."""

    ON_UP = "on_up"
    ON_CHANGE = "on_change"


class OnCancel(str, Enum):
    """What Ctrl-C does to a run that is being waited for."""

    DETACH = "detach"
    STOP = "stop"


class LogOutput(str, Enum):
    """Which of a run's log lines are shown in the resource's row."""

    PROGRESS = "progress"
    LINES = "lines"
    NONE = "none"


class Backend(str, Enum):
    """How processes find one another."""

    MPI = "mpi"
    GLOO = "gloo"
    NCCL = "nccl"
    TENSORFLOW = "tensorflow"
