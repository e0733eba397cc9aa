"""Create, Update, Read and Delete of real small runs: one run, its attempts, and who may touch it."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from job_plugin import COMPUTE, JOB, Jobs, Made, urn
from pulumi.runtime.proto import provider_pb2

from pulumi_training.provider import wire
from pulumi_training.provider.wire import Secret
from pulumi_training.spec.outcome import Reason, Status

COUNTS = "import os\nprint('attempt', os.environ['TRAINING_ATTEMPT'])\n"
FAILS = "print('on the way')\nraise ValueError('no such layer')\n"
SLEEPS = "import time\nprint('ready', flush=True)\ntime.sleep(300)\n"
SLEEPS_ONCE = "import os\nif os.environ['TRAINING_ATTEMPT'] == '1':\n    " + SLEEPS.replace("\n", "\n    ")
METRIC = "import os\nopen(os.environ['TRAINING_METRICS'], 'a').write('{\"accuracy\": 0.9}\\n')\n" + COUNTS


def statuses(lab: Jobs, run_id: str) -> list[Status]:
    record = lab.record(run_id)
    return [record.attempt(number).document().status for number in record.attempts()]


def is_running(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def words_of(process: psutil.Process) -> list[str]:
    """Its command line; none of a process that is gone, or nearly."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def start_sleeping(lab: Jobs, **changes: Any) -> tuple[Made, dict[str, Any]]:
    """A run that is under way, answered without a wait."""
    lab.source(SLEEPS)
    made, inputs = lab.train(wait=False, **changes)
    log = Path(made.outputs["logsLocation"], "std", "rank-0.log")
    lab.until(lambda: log.exists() and b"ready" in log.read_bytes())
    return made, inputs


def test_a_run_that_succeeds(lab: Jobs) -> None:
    lab.source(METRIC)
    made, inputs = lab.train(expect={"accuracy": ">=0.9"})
    outputs = made.outputs
    assert (outputs["status"], outputs["reason"], outputs["attempt"]) == ("Completed", "Completed", 1)
    assert outputs["metrics"] == {"accuracy": 0.9}
    assert outputs["runId"] == made.id and outputs["runKey"] == inputs["runKey"]
    assert "failure" not in outputs and outputs["duration"] >= 0
    assert lab.log(made) == b"attempt 1\n"
    assert not lab.processes()


def test_a_run_that_fails_is_kept_and_says_who_and_what(lab: Jobs) -> None:
    lab.source(FAILS)
    inputs = lab.checked(lab.inputs())
    made = lab.create(inputs)
    words = "\n".join(made.reasons)
    assert "rank 0 on node 0 exited with code 1: ValueError: no such layer" in words
    assert "on the way" in words and "rank-0.log" in words and "pulumi up" in words
    assert made.outputs["failure"]["reason"] == "ScriptFailed" and made.id == made.outputs["runId"]
    read, again = lab.read(made.id, inputs, made.outputs)
    assert read.reasons == made.reasons and again == inputs, "a refresh fails again"


def test_a_failed_script_runs_again_on_the_next_up(lab: Jobs) -> None:
    lab.source(FAILS)
    inputs = lab.checked(lab.inputs())
    made = lab.create(inputs)
    lab.update(made, inputs, inputs, preview=True)
    assert f"will start attempt 2 of run {made.id}" in lab.said()
    again = lab.update(made, inputs, inputs)
    assert again.reasons and again.outputs["attempt"] == 2
    assert statuses(lab, made.id) == [Status.FAILED, Status.FAILED]


def test_a_failed_script_waits_for_a_change_where_told_to(lab: Jobs) -> None:
    lab.source(FAILS)
    inputs = lab.checked(lab.inputs(rerunFailed="on_change"))
    made = lab.create(inputs)
    again = lab.update(made, inputs, inputs)
    assert again.reasons == made.reasons and again.outputs["attempt"] == 1
    lab.update(made, inputs, inputs, preview=True)
    assert "is not run again" in lab.said()


def test_create_adopts_what_no_answer_has_carried(lab: Jobs) -> None:
    lab.source(COUNTS)
    made, inputs = lab.train()
    again = lab.create(inputs)
    assert (again.id, again.outputs["attempt"]) == (made.id, 1)
    assert f"adopting attempt 1 of run {made.id}" in lab.said()


def test_an_attempt_that_was_lost_unseen_is_followed_by_the_next_at_once(lab: Jobs) -> None:
    lab.source(SLEEPS_ONCE)
    inputs = lab.checked(lab.inputs(wait=False))
    made = lab.create(inputs)
    log = Path(made.outputs["logsLocation"], "std", "rank-0.log")
    lab.until(lambda: log.exists() and b"ready" in log.read_bytes())
    supervisors = [process for process in psutil.process_iter() if f"{made.id}-a1" in words_of(process)]
    together = {process.pid: process for process in [*supervisors, *lab.processes()]}.values()
    for process in together:
        process.suspend()  # as when a machine goes down: nobody sees another one die
    for process in together:
        process.kill()
    lab.until(lambda: not lab.processes() and not any(is_running(process) for process in supervisors))
    inputs = {**inputs, "wait": True}
    lab.create(inputs, preview=True)
    assert "if it died, attempt 2 is started" in lab.said()
    again = lab.create(inputs)
    assert (again.id, again.outputs["attempt"], again.reasons) == (made.id, 2, ())
    assert "ended as SupervisorLost while no update watched; starting attempt 2" in lab.said()
    assert statuses(lab, made.id) == [Status.FAILED, Status.COMPLETED]


def test_a_script_that_failed_unseen_is_told_before_it_runs_again(lab: Jobs) -> None:
    lab.source(FAILS)
    inputs = lab.checked(lab.inputs())
    first = lab.create(inputs)
    again = lab.create(inputs)
    assert again.reasons == first.reasons and again.outputs["attempt"] == 1


def test_create_adopts_a_live_run(lab: Jobs) -> None:
    made, inputs = start_sleeping(lab)
    again = lab.create(inputs)
    assert (again.id, again.outputs["attempt"], again.outputs["status"]) == (made.id, 1, "Running")
    lab.create(inputs, preview=True)
    assert f"will adopt attempt 1 of run {made.id}" in lab.said()


@pytest.mark.parametrize("by", ["closing", "diff", "read", "update", "delete"])
def test_create_after_an_acknowledged_attempt_trains_again(lab: Jobs, by: str) -> None:
    lab.source(COUNTS)
    made, inputs = lab.train()
    if by == "closing":
        lab.close()
    elif by == "diff":
        lab.diff(inputs, inputs, id=made.id, outputs=made.outputs)
    elif by == "read":
        lab.read(made.id, inputs, made.outputs)
    elif by == "update":
        lab.update(made, inputs, inputs)
    else:
        lab.delete(made, inputs)
    again = lab.create(inputs)
    assert (again.id, again.outputs["attempt"]) == (made.id, 2)
    assert lab.log(again) == b"attempt 2\n"


def test_a_live_run_that_was_answered_gets_no_twin(lab: Jobs) -> None:
    made, inputs = start_sleeping(lab)
    lab.close()
    again = lab.create(inputs)
    assert again.outputs["attempt"] == 2
    lab.until(lambda: statuses(lab, made.id)[0].is_terminal)
    assert statuses(lab, made.id)[0] is Status.CANCELED


def test_the_run_of_another_owner_is_refused(lab: Jobs) -> None:
    lab.source(COUNTS)
    made, inputs = lab.train()
    lab.record(made.id).update_run(owner={"urn": "urn:pulumi:prod::bank::t::loan"})
    with pytest.raises(grpc.RpcError) as caught:
        lab.create(inputs)
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "belongs to urn:pulumi:prod::bank::t::loan" in caught.value.details()
    assert lab.record(made.id).attempts() == [1]


def test_a_live_run_with_another_key_is_stopped_first(lab: Jobs) -> None:
    first, _ = start_sleeping(lab)
    second, _ = start_sleeping(lab, arguments=["other"])
    assert second.id != first.id
    assert statuses(lab, first.id) == [Status.CANCELED]
    assert f"stopping run {first.id}" in lab.said()
    ended = lab.record(first.id).attempt(1).document().ended_at
    assert ended is not None and ended <= lab.record(second.id).attempt(1).document().created_at


def test_another_job_with_the_same_inputs_is_another_run(lab: Jobs) -> None:
    lab.source(COUNTS)
    one, _ = lab.train("one")
    two, _ = lab.train("two")
    assert one.id != two.id and one.id.startswith("one-")


def test_a_change_in_place_trains_nothing(lab: Jobs) -> None:
    lab.source(COUNTS)
    made, old = lab.train(tags={"a": "b"})
    new = lab.checked(lab.inputs(tags={"a": "c"}, description="better"))
    updated = lab.update(made, old, new)
    assert updated.outputs["attempt"] == 1 and not updated.reasons
    assert lab.record(made.id).run_document().spec["tags"] == {"a": "c"}


def test_a_price_in_place_makes_the_cost_of_the_next_attempt(lab: Jobs) -> None:
    lab.source(COUNTS)
    made, _ = lab.train(compute={**COMPUTE, "pricePerNodeHour": 3600.0})
    assert made.outputs["cost"] == pytest.approx(made.outputs["duration"], abs=0.5)


def test_a_bound_that_changed_is_judged_without_training(lab: Jobs) -> None:
    lab.source(METRIC)
    old = lab.checked(lab.inputs(expect={"accuracy": ">=0.95"}))
    made = lab.create(old)
    assert "accuracy is 0.9; expected >= 0.95" in "\n".join(made.reasons)
    assert made.outputs["failure"]["reason"] == "ExpectationFailed"
    new = lab.checked(lab.inputs(expect={"accuracy": ">=0.85"}))
    lab.update(made, old, new, preview=True)
    assert "nothing is trained" in lab.said()
    updated = lab.update(made, old, new)
    assert not updated.reasons and updated.outputs["attempt"] == 1
    strict = lab.update(updated, new, old)
    assert strict.reasons and strict.outputs["attempt"] == 1


@pytest.mark.parametrize("name", [None, "fit"])
def test_a_job_that_was_renamed_keeps_its_run(lab: Jobs, name: str | None) -> None:
    """An alias changes the URN under a resource whose id must stay."""
    lab.source(COUNTS)
    made, old = lab.train()
    new = lab.checked(lab.inputs(name=name, tags={"a": "b"}), name="renamed")
    assert set(lab.diff(old, new, id=made.id, outputs=made.outputs, name="renamed")) == {"tags"}
    updated = lab.update(made, old, new, name="renamed")
    assert updated.outputs["runId"] == made.id and updated.outputs["attempt"] == 1
    assert lab.runs() == [made.id]
    assert lab.record(made.id).run_document().owner["urn"] == urn("renamed")


def test_a_record_that_is_gone_is_trained_again(lab: Jobs) -> None:
    lab.source(COUNTS)
    made, inputs = lab.train()
    shutil.rmtree(lab.store / "runs" / made.id)
    read, _ = lab.read(made.id, inputs, made.outputs)
    assert read.id == "", "a refresh says that it is gone"
    again = lab.update(made, inputs, inputs)
    assert (again.outputs["runId"], again.outputs["attempt"]) == (made.id, 1)
    assert "trained again" in lab.said()


def test_a_store_that_cannot_be_read_is_not_a_job_that_is_gone(lab: Jobs) -> None:
    lab.source(COUNTS)
    made, inputs = lab.train()
    (lab.store / "runs" / made.id / "run.json").write_text("{ damaged")
    with pytest.raises(grpc.RpcError) as caught:
        lab.read(made.id, inputs, made.outputs)
    assert "damaged" in caught.value.details() and "Traceback" not in caught.value.details()


@pytest.mark.parametrize("by", ["url", "config"])
def test_import_gives_what_the_program_declares(lab: Jobs, by: str) -> None:
    lab.source(COUNTS)
    made, inputs = lab.train(tags={"a": "b"}, secretEnvironmentVariables={"T": "hunter2"})
    if by == "config":
        lab.client.stub.Configure(provider_pb2.ConfigureRequest(args=wire.encode({"store": str(lab.store)})))
    read, found = lab.read(f"{lab.store}#{made.id}" if by == "url" else made.id)
    assert read.id == made.id and read.outputs["status"] == "Completed"
    assert "hunter2" not in str(found) and "name" not in found
    assert lab.diff(found, inputs, id=made.id, outputs=read.outputs) == {}


def test_an_import_id_without_a_store_says_how_to_write_it(lab: Jobs) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        lab.read("fit-0123456789")
    assert "#fit-0123456789" in caught.value.details() and "training:store" in caught.value.details()
    gone, _ = lab.read(f"{lab.folder}/nowhere#fit-0123456789")
    assert gone.id == ""


def test_delete_keeps_the_record_unless_told_to_purge(lab: Jobs) -> None:
    lab.source(COUNTS)
    for purge in (False, True):
        made, inputs = lab.train(purgeOnDelete=purge)
        lab.delete(made, inputs)
        assert (made.id in lab.runs()) is not purge
        lab.delete(made, inputs)  # what is gone already is no error


def test_delete_stops_what_runs(lab: Jobs) -> None:
    made, inputs = start_sleeping(lab)
    lab.delete(made, inputs)
    assert not lab.processes()
    assert statuses(lab, made.id) == [Status.CANCELED]


def test_delete_leaves_later_attempts_alone(lab: Jobs) -> None:
    """With replacement the engine deletes the old state after the new attempt was made."""
    first, inputs = start_sleeping(lab)
    lab.close()
    second = lab.create(inputs)
    assert second.outputs["attempt"] == 2
    lab.delete(first, inputs)
    assert not statuses(lab, first.id)[1].is_terminal


def test_a_store_that_is_a_secret_works_all_the_way(lab: Jobs) -> None:
    lab.source(COUNTS)
    inputs = lab.checked(lab.inputs(compute=Secret(dict(COMPUTE))))
    made = lab.create(inputs)
    assert not made.reasons
    assert lab.diff(inputs, inputs, id=made.id, outputs=made.outputs) == {}
    assert lab.read(made.id, inputs, made.outputs)[0].id == made.id
    assert lab.create(inputs).outputs["attempt"] == 2
    lab.delete(made, inputs)


def test_a_source_that_changed_after_check_starts_nothing_and_is_named(lab: Jobs) -> None:
    lab.source(COUNTS)
    inputs = lab.checked(lab.inputs())
    lab.source("print('changed meanwhile')\n")
    with pytest.raises(grpc.RpcError) as caught:
        lab.create(inputs)
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "changed after it was checked: train.py changed" in caught.value.details()
    assert not lab.processes()
    (run_id,) = lab.runs()
    outcome = lab.record(run_id).attempt(1).document().outcome
    assert outcome is not None and outcome.reason is Reason.SOURCE_CHANGED


def test_a_digest_kept_by_ignore_changes_runs_the_tree_that_is_there(lab: Jobs) -> None:
    lab.source(COUNTS)
    made, old = lab.train()
    lab.source(COUNTS + "print('newer')\n")
    kept = lab.checked({**lab.inputs(), "sourceDigest": old["sourceDigest"]})
    assert lab.diff(old, kept, id=made.id, outputs=made.outputs) == {}
    again = lab.create(kept)
    assert again.id == made.id and lab.log(again) == b"attempt 2\nnewer\n"


@pytest.mark.parametrize("on_cancel", ["detach", "stop"])
def test_cancel_while_a_run_is_waited_for(lab: Jobs, on_cancel: str) -> None:
    lab.source(SLEEPS)
    inputs = lab.checked(lab.inputs(onCancel=on_cancel, gracePeriodSeconds=1))
    answers: list[Made] = []
    waiter = threading.Thread(target=lambda: answers.append(lab.create(inputs)))
    waiter.start()
    lab.until(lambda: any(path.read_bytes() for path in lab.store.rglob("rank-0.log")))
    lab.client.cancel()
    waiter.join(60)
    (made,) = answers
    assert made.id and made.outputs["runId"] == made.id
    if on_cancel == "detach":
        assert "goes on" in made.reasons[0] and made.outputs["status"] == "Running"
        assert statuses(lab, made.id) == [Status.RUNNING]
        lab.update(made, inputs, inputs, preview=True)
        assert "will re-attach" in lab.said()
    else:
        assert "was stopped" in made.reasons[0] and made.outputs["status"] == "Canceled"
        assert not lab.processes()


def test_a_run_that_is_asked_for_after_the_cancel_is_not_started(lab: Jobs) -> None:
    lab.source(f"import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n{SLEEPS}")
    inputs = lab.checked(lab.inputs(onCancel="stop", gracePeriodSeconds=3))
    late = lab.checked(lab.inputs(), name="late")
    answers: list[Made] = []
    waiter = threading.Thread(target=lambda: answers.append(lab.create(inputs)))
    waiter.start()
    lab.until(lambda: any(path.read_bytes() for path in lab.store.rglob("rank-0.log")))
    lab.client.cancel()
    with pytest.raises(grpc.RpcError, match="canceled before this run was asked for; nothing was started"):
        lab.create(late, name="late")
    waiter.join(60)
    assert "was stopped" in answers[0].reasons[0]
    assert lab.runs() == [answers[0].id]


def test_a_wait_may_have_a_deadline(lab: Jobs) -> None:
    lab.source(SLEEPS)
    request = provider_pb2.CreateRequest(
        urn=urn("fit", JOB), properties=wire.encode(lab.checked(lab.inputs())), timeout=1.5
    )
    made = lab._made(lambda: lab.client.stub.Create(request, timeout=60), "")
    assert "It was not stopped" in made.reasons[0] and made.outputs["status"] == "Running"


def test_an_environment_that_cannot_be_made_is_said_in_its_own_words(lab: Jobs) -> None:
    lab.source("this is no wheel", "broken-1.0-py3-none-any.whl")
    inputs = lab.checked(lab.inputs(environment={"pipPackages": ["./broken-1.0-py3-none-any.whl"]}))
    made = lab.create(inputs)
    assert made.outputs["failure"]["reason"] == "EnvironmentFailed"
    assert "broken" in "\n".join(made.reasons)
    assert not lab.processes()
