"""Stands for the plugin process in the fault matrix: one `up` of one job, by the calls that the provider makes.

`python plugin.py <order.json>`: the order has the job, its URN, its base and the state file, which plays the
engine's: it holds the run's id once an operation was answered. The answer is written to `answer` in the end.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pulumi_training.driver import intend as intending
from pulumi_training.driver.attempt_run import attempt_run
from pulumi_training.driver.follow import Follower
from pulumi_training.driver.next_up import Step, decide
from pulumi_training.driver.policy import Policy
from pulumi_training.driver.request import Request
from pulumi_training.driver.settle import collect_again, judge_again
from pulumi_training.driver.start import start
from pulumi_training.driver.stop import cancel
from pulumi_training.identity.key import run_key
from pulumi_training.identity.tree import read_tree
from pulumi_training.record.attempt import Attempt
from pulumi_training.record.record import Record
from pulumi_training.spec.errors import TrainingError
from pulumi_training.spec.job import JobSpec
from pulumi_training.targets import catalog


def request_of(order: dict[str, Any]) -> Request:
    job = JobSpec.model_validate(order["job"])
    base = Path(order["base"])
    tree = read_tree(base / job.source_directory)
    key = run_key({"sourceDigest": tree.digest, "arguments": job.arguments, "triggers": job.triggers})
    return Request(
        name="fit",
        job=job,
        urn=order["urn"],
        stack="dev",
        project="tests",
        run_key=key,
        source_digest=tree.digest,
        seen_digest=tree.digest,
        base=base,
        secrets=job.secret_environment_variables,
    )


def up(order: dict[str, Any]) -> dict[str, Any]:
    request = request_of(order)
    state = Path(order["state"])
    known = json.loads(state.read_text())["run_id"] if state.exists() else None
    attempt = _update(request) if known == request.run_id else _create(request)
    if attempt is None:
        attempt = intending.intend(request, lambda: _tree(request), print, rerun=True).attempt
    record = request.record()
    start(record, attempt.number, request.base, request.secrets)
    follower = Follower(record, request.base, request.secrets, print, lambda: False, _blocking)
    document = asyncio.run(follower.follow(attempt.number, time.monotonic() + order.get("seconds", 120)))
    outcome = document.outcome.to_json() if document.outcome else None
    return {"run_id": request.run_id, "attempt": document.attempt, "outcome": outcome}


def _create(request: Request) -> Attempt:
    """As the provider's Create: predecessors are stopped, then the run is started or adopted."""
    record = request.record()
    for run_id in intending.runs_of_owner(record.store, request.urn):
        other = Record(record.store, run_id)
        newest = other.newest() if run_id != request.run_id and other.exists() else None
        if newest is not None and newest.document().is_live:
            cancel(other)
    return intending.intend(request, lambda: _tree(request), print).attempt


def _update(request: Request) -> Attempt | None:
    """As the provider's Update: the way on that the outcome table names; None asks for another attempt."""
    record = request.record()
    newest = record.newest()
    assert newest is not None
    newest.update(acknowledged=True)
    record.update_run(spec=request.document())
    policy = Policy.of(request.recorded_job)
    step = decide(newest.document(), policy)
    if step is Step.RERUN:
        return None
    if step is Step.JUDGE:
        judge_again(newest, policy)
    if step is Step.COLLECT:
        target = catalog.get(newest.document().target)
        collect_again(record, newest, target, attempt_run(record, newest, request.base, {}), policy)
    return newest


def _tree(request: Request) -> Any:
    return read_tree(request.base / request.job.source_directory)


async def _blocking(call: Callable[..., Any], *arguments: Any) -> Any:
    return await asyncio.to_thread(call, *arguments)


def _pause_at(place: str) -> None:
    """Makes the short moments of this process long enough to be hit, and says that it is there."""
    if place == "intent written":
        original = intending._copy

        def slow(*arguments: Any) -> None:
            Path(os.environ["FAULT_REACHED"]).touch()
            time.sleep(float(os.environ.get("FAULT_PAUSE_SECONDS", "60")))
            original(*arguments)

        intending._copy = slow  # type: ignore[assignment]


def main() -> None:
    order = json.loads(Path(sys.argv[1]).read_text())
    _pause_at(os.environ.get("FAULT_PAUSE", ""))
    try:
        answer = up(order)
    except (TrainingError, TimeoutError) as error:
        answer = {"error": str(error), "kind": type(error).__name__}
    if os.environ.get("FAULT_PAUSE") == "state being written":
        Path(os.environ["FAULT_REACHED"]).touch()
        time.sleep(60)
    if "run_id" in answer:
        Path(order["state"]).write_text(json.dumps({"run_id": answer["run_id"]}))
    Path(order["answer"]).write_text(json.dumps(answer))


if __name__ == "__main__":
    main()
