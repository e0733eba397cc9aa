"""What the next `pulumi up` does with a run whose inputs did not change."""

from __future__ import annotations

from enum import Enum

from ..record.documents import AttemptDocument
from ..record.record import Record
from ..spec.outcome import OnNextUp
from .policy import Policy
from .supervisor import is_driven


class Step(str, Enum):
    """One of five ways on."""

    ANSWER = "answer"
    ATTACH = "attach"
    JUDGE = "judge"
    COLLECT = "collect"
    RERUN = "rerun"


def decide(document: AttemptDocument, policy: Policy) -> Step:
    """The way on from where the newest attempt stands."""
    if not document.is_over:
        return Step.ATTACH
    rule = document.outcome.reason.rule.on_next_up if document.outcome else OnNextUp.RERUN
    if rule is OnNextUp.NOTHING:
        # A finished run is judged again: its bound may have changed since.
        return Step.JUDGE if policy.expect else Step.ANSWER
    if rule is OnNextUp.BY_POLICY:
        return Step.RERUN if policy.reruns_failed_scripts else Step.ANSWER
    return {OnNextUp.JUDGE: Step.JUDGE, OnNextUp.COLLECT: Step.COLLECT, OnNextUp.RERUN: Step.RERUN}[rule]


def is_unseen(record: Record, document: AttemptDocument) -> bool:
    """Whether an attempt is one that nobody drives and no `up` has answered for: it ended, or died, in between."""
    if not document.is_over:
        return not is_driven(record)
    return not document.acknowledged


def is_followed_at_once(document: AttemptDocument) -> bool:
    """Whether an unseen attempt has another one in the `up` that finds it, which is its next.

    Not where the script was at fault: that is told first.
    """
    outcome = document.outcome
    return (
        document.status.is_terminal
        and outcome is not None
        and outcome.reason.rule.on_next_up is OnNextUp.RERUN
    )


def announce_create(record: Record, document: AttemptDocument) -> str:
    """What a Create will do with an attempt that no answer has carried, in words for a preview."""
    run = f"attempt {document.attempt} of run {document.run_id}"
    if is_followed_at_once(document):
        return announce(Step.RERUN, document)
    if document.is_live and is_unseen(record, document):
        return (
            f"will adopt {run}, which is {document.status.value} and has no process of ours any more; if it died, "
            f"attempt {document.attempt + 1} is started"
        )
    return f"will adopt {run}, which is {document.status.value}"


def announce(step: Step, document: AttemptDocument) -> str:
    """The step in words for a preview."""
    run = f"attempt {document.attempt} of run {document.run_id}"
    reason = document.outcome.reason.value if document.outcome else document.status.value
    return {
        Step.ANSWER: f"{run} ended ({reason}) and is not run again: rerunFailed is 'on_change'",
        Step.ATTACH: f"will re-attach to {run}, which is {document.status.value}",
        Step.JUDGE: f"will judge the record of {run} again; nothing is trained",
        Step.COLLECT: f"will collect the outputs of {run} again; nothing is trained",
        Step.RERUN: f"will start attempt {document.attempt + 1} of run {document.run_id}, because attempt "
        f"{document.attempt} ended as {reason}",
    }[step]
