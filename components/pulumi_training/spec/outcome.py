"""How a run ends: statuses, reasons, and the one table from reason to consequence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any


class Status(str, Enum):
    """Where a run stands, in Azure ML's words (its `JobStatus`)."""

    NOT_STARTED = "NotStarted"
    PROVISIONING = "Provisioning"
    PREPARING = "Preparing"
    QUEUED = "Queued"
    RUNNING = "Running"
    FINALIZING = "Finalizing"
    CANCEL_REQUESTED = "CancelRequested"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELED = "Canceled"
    NOT_RESPONDING = "NotResponding"

    @property
    def is_terminal(self) -> bool:
        """Whether the run can no longer change. NotResponding is not terminal: a probe failed, not the run."""
        return self in (Status.COMPLETED, Status.FAILED, Status.CANCELED)


class Reason(str, Enum):
    """Why a run ended as it did. Every target uses these; none adds its own."""

    COMPLETED = "Completed"
    SCRIPT_FAILED = "ScriptFailed"
    RANK_SIGNALED = "RankSignaled"
    OUT_OF_MEMORY = "OutOfMemory"
    NODE_LOST = "NodeLost"
    LAUNCH_FAILED = "LaunchFailed"
    ENVIRONMENT_FAILED = "EnvironmentFailed"
    IMAGE_BUILD_FAILED = "ImageBuildFailed"
    IMAGE_PULL_FAILED = "ImagePullFailed"
    DATA_UNAVAILABLE = "DataUnavailable"
    SOURCE_CHANGED = "SourceChanged"
    QUEUE_TIMEOUT = "QueueTimeout"
    RUN_TIMEOUT = "RunTimeout"
    STALLED = "Stalled"
    PREEMPTED = "Preempted"
    SUPERVISOR_LOST = "SupervisorLost"
    CANCELED = "Canceled"
    COLLECT_FAILED = "CollectFailed"
    EXPECTATION_FAILED = "ExpectationFailed"
    TARGET_UNAVAILABLE = "TargetUnavailable"

    @property
    def rule(self) -> Rule:
        """The line of the table for this reason."""
        return RULES[self]


class OnNextUp(str, Enum):
    """What the next `pulumi up` does with a failed run when nothing changed."""

    NOTHING = "nothing"
    JUDGE = "judge the record again"
    COLLECT = "collect again"
    RERUN = "start a new attempt"
    BY_POLICY = "follow rerunFailed"


@dataclass(frozen=True)
class Rule:
    """The consequences of a reason: the status, whether a retry may help, and what to do next."""

    status: Status
    is_retryable: bool
    on_next_up: OnNextUp
    advice: str


_FAILED = Status.FAILED
RULES: dict[Reason, Rule] = {
    Reason.COMPLETED: Rule(Status.COMPLETED, False, OnNextUp.NOTHING, ""),
    Reason.SCRIPT_FAILED: Rule(
        _FAILED,
        False,
        OnNextUp.BY_POLICY,
        "Read the rank's log, fix the script, and run `pulumi up` again.",
    ),
    Reason.RANK_SIGNALED: Rule(
        _FAILED,
        False,
        OnNextUp.BY_POLICY,
        "Read the rank's log; if the signal came from outside, run `pulumi up` again.",
    ),
    Reason.OUT_OF_MEMORY: Rule(
        _FAILED,
        False,
        OnNextUp.BY_POLICY,
        "Give the ranks more memory, run fewer of them on a node, or use smaller batches.",
    ),
    Reason.NODE_LOST: Rule(
        _FAILED, True, OnNextUp.RERUN, "Run `pulumi up` again, or set retries={'on': ['node_lost']}."
    ),
    Reason.LAUNCH_FAILED: Rule(
        _FAILED,
        True,
        OnNextUp.RERUN,
        "Read the launcher's log; `pulumi-training doctor` checks the launcher.",
    ),
    Reason.ENVIRONMENT_FAILED: Rule(
        _FAILED, False, OnNextUp.RERUN, "Fix the packages named above and run `pulumi up` again."
    ),
    Reason.IMAGE_BUILD_FAILED: Rule(
        _FAILED, False, OnNextUp.RERUN, "Fix the failing build step and run `pulumi up` again."
    ),
    Reason.IMAGE_PULL_FAILED: Rule(
        _FAILED, True, OnNextUp.RERUN, "Check the image's name and the registry's credentials."
    ),
    Reason.DATA_UNAVAILABLE: Rule(
        _FAILED, True, OnNextUp.RERUN, "Check that the datastore exists and that this machine may read it."
    ),
    Reason.SOURCE_CHANGED: Rule(
        _FAILED,
        False,
        OnNextUp.RERUN,
        "Run `pulumi up` again, and leave the source tree alone while the run is prepared.",
    ),
    Reason.QUEUE_TIMEOUT: Rule(
        _FAILED,
        True,
        OnNextUp.RERUN,
        "Give the cluster more slots, wait for the runs ahead of it, or raise queueTimeoutSeconds.",
    ),
    Reason.RUN_TIMEOUT: Rule(
        _FAILED,
        False,
        OnNextUp.BY_POLICY,
        "Raise maxRunDurationSeconds, or make the script resume from TRAINING_RESUME_FROM.",
    ),
    Reason.STALLED: Rule(
        _FAILED,
        True,
        OnNextUp.BY_POLICY,
        "Read the Python stacks saved beside the logs; if a step is silent for long, raise stallTimeoutSeconds.",
    ),
    Reason.PREEMPTED: Rule(
        _FAILED, True, OnNextUp.RERUN, "Run `pulumi up` again, or set retries={'on': ['preempted']}."
    ),
    Reason.SUPERVISOR_LOST: Rule(
        _FAILED,
        True,
        OnNextUp.RERUN,
        "The process that owned the run died; run `pulumi up` to start the next attempt.",
    ),
    Reason.CANCELED: Rule(Status.CANCELED, False, OnNextUp.RERUN, "Run `pulumi up` to start it again."),
    Reason.COLLECT_FAILED: Rule(
        _FAILED,
        True,
        OnNextUp.COLLECT,
        "Run `pulumi up` again: it collects the outputs and trains nothing.",
    ),
    Reason.EXPECTATION_FAILED: Rule(
        _FAILED,
        False,
        OnNextUp.JUDGE,
        "Improve the training, or change `expect`: then the same run is judged again.",
    ),
    Reason.TARGET_UNAVAILABLE: Rule(
        _FAILED, True, OnNextUp.RERUN, "Check that the target can be reached (`pulumi-training doctor`)."
    ),
}


@dataclass(frozen=True)
class Outcome:
    """The true end of an attempt, and who failed first.

    `rank` and `node` count from 0; `exit_code` and `signal` are the first failing rank's; `log_tail` holds at
    most its last 20 lines and 4 KiB; `exception` its last exception line.
    """

    reason: Reason
    message: str = ""
    rank: int | None = None
    node: int | None = None
    exit_code: int | None = None
    signal: str | None = None
    exception: str | None = None
    log_tail: str = ""
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def status(self) -> Status:
        """The status that the table gives this reason."""
        return self.reason.rule.status

    @property
    def is_success(self) -> bool:
        """Whether the run did what was asked."""
        return self.reason is Reason.COMPLETED

    def to_json(self) -> dict[str, Any]:
        """A JSON object without empty fields; `from_json` reads it back."""
        document = {k: v for k, v in asdict(self).items() if v not in (None, "", {})}
        return {**document, "reason": self.reason.value, "status": self.status.value}

    @classmethod
    def from_json(
        cls, document: Mapping[str, object], where: str = "an outcome", advice: str = ""
    ) -> Outcome:
        """Reads what `to_json` wrote; unknown fields are left out.

        Raises:
            DamagedDocument: `where` names it.
        """
        from .document import fields_of

        return cls(**fields_of(cls, document, where, advice))
