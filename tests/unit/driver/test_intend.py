"""The intent: what is there is adopted, what was answered gets another attempt, and a crash loses nothing."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from driver_fakes import Backend, Died, Job

from pulumi_training.driver import code as code_module
from pulumi_training.driver import intend as intending
from pulumi_training.driver.drive import drive
from pulumi_training.driver.intend import Intent, intend, runs_of_owner
from pulumi_training.driver.request import HIDDEN, Request, recorded
from pulumi_training.record.attempt import Attempt
from pulumi_training.record.record import Record
from pulumi_training.record.store import StoreError
from pulumi_training.spec.errors import PermanentError
from pulumi_training.spec.job import JobSpec
from pulumi_training.spec.outcome import Outcome, Reason, Status


def ask(job: Job, request: Request | None = None, **options: Any) -> Intent:
    return intend(request or job.request(), job.tree, lambda line: None, **options)


def test_first_intent_is_written_and_copied(backend: Backend, job: Job) -> None:
    intent = ask(job)
    assert not intent.is_adopted and intent.attempt.number == 1
    document = intent.attempt.document()
    assert document.status is Status.NOT_STARTED and document.target == "local"
    folder = intent.attempt.folder
    assert (folder / "code" / "train.py").read_text() == "print('hello')\n"
    assert (folder / "code" / "outputs").resolve() == (folder / "outputs").resolve()
    assert list(json.loads((folder / "source.json").read_text())) == ["train.py"]
    assert intent.record.run_document().owner["urn"] == job.urn
    assert backend.steps == [], "nothing was asked of the target"


def test_unacknowledged_is_adopted_live_or_ended(backend: Backend, job: Job) -> None:
    first = ask(job)
    again = ask(job)
    assert again.is_adopted and again.attempt.number == 1
    first.attempt.update(outcome=Outcome(Reason.SCRIPT_FAILED))
    assert ask(job).is_adopted
    assert first.record.attempts() == [1]


def test_acknowledged_gets_another_attempt(backend: Backend, job: Job) -> None:
    ask(job).attempt.update(outcome=Outcome(Reason.COMPLETED), acknowledged=True)
    second = ask(job)
    assert (second.is_adopted, second.attempt.number) == (False, 2)
    assert second.attempt.document().notes.series_start == 2
    assert second.record.run_document().newest_attempt == 2


def test_rerun_gets_another_attempt_in_any_case(backend: Backend, job: Job) -> None:
    ask(job).attempt.update(outcome=Outcome(Reason.NODE_LOST))
    assert ask(job, rerun=True).attempt.number == 2


@pytest.mark.parametrize("rerun", [False, True])
def test_a_live_attempt_is_stopped_before_another_one(backend: Backend, job: Job, rerun: bool) -> None:
    backend.script = lambda run: None  # runs for ever
    first = ask(job)
    driving = threading.Thread(target=drive, args=(first.record, 1, job.base, {}))
    driving.start()
    while not backend.submitted:
        pass
    first.attempt.update(acknowledged=not rerun)
    second = ask(job, rerun=rerun)
    driving.join(20)
    assert second.attempt.number == 2
    assert first.attempt.document().status is Status.CANCELED
    assert backend.live[first.record.run_id, 1] is not None


def test_another_owner_is_refused(backend: Backend, job: Job) -> None:
    record = ask(job).record
    record.update_run(owner={"urn": "urn:other", "stack": "x", "project": "y"})
    with pytest.raises(PermanentError, match="belongs to urn:other"):
        ask(job)
    assert record.attempts() == [1]


def test_changed_source_starts_nothing(backend: Backend, job: Job) -> None:
    request = job.request()
    (job.base / "src" / "train.py").write_text("changed meanwhile\n")
    with pytest.raises(PermanentError) as caught:
        ask(job, request)
    assert caught.value.reason is Reason.SOURCE_CHANGED
    attempt = request.record().attempt(1)
    assert attempt.document().outcome.reason is Reason.SOURCE_CHANGED  # type: ignore[union-attr]
    (job.base / "src" / "train.py").write_text("print('hello')\n")
    assert ask(job, request).attempt.number == 2, "nobody adopts what could never start"


def test_a_digest_given_by_the_user_names_the_tree_that_check_saw(backend: Backend, job: Job) -> None:
    request = job.request(sourceDigest="sha256:mine")
    intent = ask(job, request)
    assert intent.record.run_document().source_digest == "sha256:mine"
    assert intent.attempt.document().notes.tree_digest == job.tree().digest


CRASHES = [
    (Record, "write_run"),
    (Record, "start_attempt"),
    (Record, "update_run"),
    (Attempt, "event"),
    (intending, "remember_owner"),
    (intending, "copy"),
]


@pytest.mark.parametrize(("owner", "name"), CRASHES, ids=[name for _, name in CRASHES])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_between_two_steps_is_made_good(
    backend: Backend, job: Job, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, when: str
) -> None:
    original = getattr(owner, name)

    def dying(*arguments: Any, **more: Any) -> Any:
        monkeypatch.setattr(owner, name, original)
        if when == "after":
            original(*arguments, **more)
        raise Died(name)

    monkeypatch.setattr(owner, name, dying)
    with pytest.raises(Died):
        ask(job)
    intent = ask(job)
    assert intent.record.attempts() == [1]
    assert code_module.is_copied(intent.attempt)
    assert runs_of_owner(intent.record.store, job.urn) == [intent.record.run_id]
    outcome = drive(intent.record, 1, job.base, {})
    assert outcome is not None and outcome.is_success
    assert len(backend.submitted) == 1


def test_half_a_copy_is_made_again(backend: Backend, job: Job) -> None:
    attempt = ask(job).attempt
    (attempt.folder / "source.json").unlink()
    (attempt.folder / "code" / "train.py").write_text("half")
    again = ask(job)
    assert again.is_adopted
    assert (attempt.folder / "code" / "train.py").read_text() == "print('hello')\n"


def test_the_copy_of_a_submitted_attempt_is_left_alone(backend: Backend, job: Job) -> None:
    attempt = ask(job).attempt
    attempt.update(status=Status.RUNNING, handle={"target": "local"})
    (attempt.folder / "source.json").unlink()
    (attempt.folder / "code" / "train.py").write_text("as its script left it")
    ask(job)
    assert (attempt.folder / "code" / "train.py").read_text() == "as its script left it"


def test_many_at_once_are_one(backend: Backend, job: Job) -> None:
    for number in range(30):
        (job.base / "src" / f"{number}.txt").write_text("x" * 1000)
    request, intents, errors = job.request(), [], []

    def run() -> None:
        try:
            intents.append(ask(job, request))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert errors == []
    assert sorted(i.is_adopted for i in intents) == [False] + [True] * 5
    assert all(code_module.is_copied(i.attempt) for i in intents)


def test_a_full_disk_is_said_plainly(backend: Backend, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(tree: object, destination: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("pulumi_training.identity.copy.copy_tree", full)
        with pytest.raises(StoreError, match="free some space"):
            ask(job)
    assert ask(job).is_adopted, "the intent stands, and is made good when there is room"


def test_what_retention_pruned_counts_on(backend: Backend, job: Job) -> None:
    from pulumi_training.record.retention import prune

    intent = ask(job)
    intent.attempt.update(outcome=Outcome(Reason.COMPLETED), acknowledged=True)
    prune(intent.record)
    assert ask(job).attempt.number == 2


def test_a_record_hides_secrets() -> None:
    job = JobSpec.model_validate(
        {
            "entryScript": "train.py",
            "secretEnvironmentVariables": {"TOKEN": "very secret"},
            "environment": {"image": "i", "imageRegistry": {"address": "r", "password": "also secret"}},
        }
    )
    document = recorded(job)
    assert "very secret" not in json.dumps(document) and "also secret" not in json.dumps(document)
    assert document["secretEnvironmentVariables"] == {"TOKEN": HIDDEN}
    assert document["environment"]["imageRegistry"]["password"] == HIDDEN
    assert document["entryScript"] == "train.py" and document["gracePeriodSeconds"] == 30


def test_no_secret_reaches_the_record(backend: Backend, job: Job) -> None:
    request = job.request(secretEnvironmentVariables={"TOKEN": "very secret"})
    intent = ask(job, request)
    intent.attempt.event("said", "my token is very secret")
    drive(intent.record, 1, job.base, request.secrets)
    assert backend.submitted[0].secrets == {"TOKEN": "very secret"}
    for path in (job.base / "store").rglob("*"):
        assert not path.is_file() or b"very secret" not in path.read_bytes(), path


def test_copy_and_archive_bring_a_lost_copy_back(backend: Backend, job: Job) -> None:
    attempt = ask(job).attempt
    drive(attempt_record := ask(job).record, 1, job.base, {})
    shutil.rmtree(attempt.folder / "code", ignore_errors=True)
    code_module.bring(attempt)
    assert (attempt.folder / "code" / "train.py").read_text() == "print('hello')\n"
    assert attempt_record.attempts() == [1]
