"""The code of a driver is taken away under it, as by an upgrade: no training ends for that, and the next driver settles it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from driver_fakes import Backend, FakeTarget, Job, failed, succeeded

from pulumi_training.driver import own_code
from pulumi_training.driver.drive import drive
from pulumi_training.driver.intend import intend
from pulumi_training.record.lock import DriverLock
from pulumi_training.record.record import Record
from pulumi_training.spec.outcome import Outcome, Reason, Status
from pulumi_training.targets.contract.run import RunSpec

AGAIN = {"retries": {"maxAttempts": 2, "on": ["script_failed"], "backoffSeconds": 0}}


def begin(job: Job, **changes: Any) -> Record:
    return intend(job.request(**changes), job.tree, lambda line: None).record


def go(job: Job, record: Record, number: int = 1) -> Outcome | None:
    return drive(record, number, job.base, {})


def raises(error: Exception) -> Any:
    def step(*_: Any) -> None:
        raise error

    return step


@pytest.mark.parametrize("error", [ImportError("gone"), ModuleNotFoundError("gone"), SyntaxError("half")])
def test_a_live_run_is_left_alone_and_settled_by_the_next_driver(
    backend: Backend, job: Job, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    record = begin(job)
    with monkeypatch.context() as broken:
        broken.setattr(FakeTarget, "observe", raises(error))
        # What was submitted before is watched, not looked for.
        backend.script = lambda run: record.attempt(1).update(handle=None) and succeeded()
        broken.setattr("pulumi_training.driver.passage.Passage._left_behind", lambda *_: None)
        with pytest.raises(type(error)):
            go(job, record)
    document = record.attempt(1).document()
    assert document.status is Status.RUNNING and document.outcome is None
    assert backend.cancels == [] and DriverLock(record).holder() is None
    outcome = go(job, record)
    assert outcome is not None and outcome.is_success
    assert len(backend.submitted) == 1 and record.attempts() == [1]


def test_a_run_that_could_not_be_collected_is_settled_by_the_next_driver(backend: Backend, job: Job) -> None:
    record = begin(job)
    backend.collect = raises(ImportError("gone"))
    with pytest.raises(ImportError):
        go(job, record)
    assert record.attempt(1).document().is_live
    backend.collect = lambda run: None
    outcome = go(job, record)
    assert outcome is not None and outcome.is_success
    assert record.attempt(1).manifest() is not None and len(backend.submitted) == 1


def test_a_retry_is_begun_by_the_next_driver(backend: Backend, job: Job) -> None:
    record = begin(job, **AGAIN)
    backend.script = lambda run: failed() if run.attempt == 1 else succeeded()

    def prepare(run: RunSpec, tell: object) -> None:
        if run.attempt == 2:
            raise ImportError("gone")

    backend.prepare = prepare
    with pytest.raises(ImportError):
        go(job, record)
    assert record.attempt(2).document().is_live, "no failure of the launch is counted"
    backend.prepare = lambda run, tell: None
    outcome = go(job, record, 2)
    assert outcome is not None and outcome.is_success
    assert [run.attempt for run in backend.submitted] == [1, 2]


def test_an_installation_that_is_broken_from_the_start_is_a_failed_launch(backend: Backend, job: Job) -> None:
    """Nothing was begun: a person should read of it at once."""
    record = begin(job)
    backend.prepare = raises(ImportError("no module named pydantic"))
    outcome = go(job, record)
    assert outcome is not None and outcome.reason is Reason.LAUNCH_FAILED
    assert "pydantic" in outcome.message


def test_a_copy_that_a_supervisor_runs_from_is_not_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = own_code._home()
    long_ago = time.time() - 10 * own_code._KEPT_SECONDS
    for name in ("a", "b", "c", "d", "e", "f"):
        (home / name).mkdir(parents=True)
        os.utime(home / name, (long_ago, long_ago + ord(name)))
    monkeypatch.setattr(own_code, "_found", {home: home / "a"})
    (home / "a" / "pulumi_training").mkdir()
    (home / "a" / "pulumi_training" / "__init__.py").touch()
    os.utime(home / "a", (long_ago, long_ago))
    with own_code.own_code() as (_, kept):
        held = os.dup(kept or -1)  # as a supervisor has it
    own_code._remove_old()
    assert {path.name for path in home.iterdir()} == {"a", "c", "d", "e", "f", "locks"}
    os.close(held)
    own_code._remove_old()
    assert {path.name for path in home.iterdir()} == {"c", "d", "e", "f", "locks"}


def test_where_no_copy_can_be_made_supervisors_run_from_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_code, "_found", {})
    (tmp_path / "cache").mkdir(exist_ok=True)
    (tmp_path / "cache" / "supervisor").write_text("no folder")
    with own_code.own_code() as (folders, kept):
        assert folders == [str(own_code._INSTALLED)] and kept is None
