"""What the next `up` does, and the policies of a job as recorded."""

from __future__ import annotations

from typing import Any

import pytest
from driver_fakes import Job

from pulumi_training.driver.next_up import Step, announce, decide
from pulumi_training.driver.policy import Policy, retry_word
from pulumi_training.driver.request import recorded
from pulumi_training.record.documents import AttemptDocument
from pulumi_training.record.notes import Notes
from pulumi_training.spec.job import JobSpec
from pulumi_training.spec.outcome import Outcome, Reason, Status
from pulumi_training.spec.policy import RetryOn
from pulumi_training.spec.recorded import RecordedJob

BY_POLICY = {
    Reason.SCRIPT_FAILED,
    Reason.RANK_SIGNALED,
    Reason.OUT_OF_MEMORY,
    Reason.RUN_TIMEOUT,
    Reason.STALLED,
}
SPECIAL = {
    Reason.COMPLETED: Step.ANSWER,
    Reason.COLLECT_FAILED: Step.COLLECT,
    Reason.EXPECTATION_FAILED: Step.JUDGE,
}


def policy(**job: Any) -> Policy:
    fields = {
        "entryScript": "train.py",
        "compute": {"target": "local", "workspace": "lab", "store": "s"},
        **job,
    }
    return Policy.of(RecordedJob.of(recorded(JobSpec.model_validate(fields))))


def ended(reason: Reason, **fields: Any) -> AttemptDocument:
    return AttemptDocument("fit-1", 1, reason.rule.status, Outcome(reason), **fields)


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_its_way_on(reason: Reason) -> None:
    expected = Step.RERUN if reason in BY_POLICY else SPECIAL.get(reason, Step.RERUN)
    assert decide(ended(reason), policy()) is expected
    expected = Step.ANSWER if reason in BY_POLICY else SPECIAL.get(reason, Step.RERUN)
    assert decide(ended(reason), policy(rerunFailed="on_change")) is expected


@pytest.mark.parametrize("status", [s for s in Status if not s.is_terminal])
def test_what_lives_is_attached_to(status: Status) -> None:
    assert decide(AttemptDocument("fit-1", 1, status), policy()) is Step.ATTACH


def test_a_retry_that_is_due_is_attached_to() -> None:
    document = ended(Reason.NODE_LOST, notes=Notes.of(will_retry=True))
    assert decide(document, policy()) is Step.ATTACH


def test_a_success_with_bounds_is_judged_again() -> None:
    assert decide(ended(Reason.COMPLETED), policy(expect={"loss": "<1"})) is Step.JUDGE


@pytest.mark.parametrize("step", list(Step))
def test_every_step_is_announced_in_words(step: Step) -> None:
    words = announce(step, ended(Reason.NODE_LOST))
    assert "attempt 1 of run fit-1" in words or "attempt 2 of run fit-1" in words


def test_retries_by_reason_and_number() -> None:
    chosen = policy(retries={"maxAttempts": 3, "on": ["node_lost"], "backoffSeconds": 2})
    assert chosen.allows_retry(Reason.NODE_LOST, 1) and chosen.allows_retry(Reason.NODE_LOST, 2)
    assert not chosen.allows_retry(Reason.NODE_LOST, 3)
    assert not chosen.allows_retry(Reason.SCRIPT_FAILED, 1)
    assert [chosen.backoff_after(n) for n in (1, 2, 3, 20)] == [2, 4, 8, 600]
    assert not policy().allows_retry(Reason.NODE_LOST, 1)


def test_every_word_of_retries_is_a_reason() -> None:
    assert {word.value for word in RetryOn} <= {retry_word(reason) for reason in Reason}


def test_cost() -> None:
    compute = {"target": "local", "workspace": "lab", "store": "s", "maxNodes": 2, "pricePerNodeHour": 1.5}
    chosen = policy(compute=compute, nodeCount=2, distributedBackend="mpi")
    assert chosen.cost(1800) == pytest.approx(1.5)
    assert policy().cost(1800) is None


def test_a_job_as_recorded_says_it_all(job: Job) -> None:
    chosen = Policy.of(job.request(queueTimeoutSeconds=5, metricsRank=1, logOutput="lines").recorded_job)
    assert (chosen.queue_timeout, chosen.metrics_rank, chosen.shows_lines, chosen.grace) == (5, 1, True, 0)
