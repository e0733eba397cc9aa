"""What else goes wrong around a run: full and read-only disks, two at once, scripts that behave badly."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from world import ORDINARY, SCRIPT, URN, World

from pulumi_training.driver.stop import cancel
from pulumi_training.record.record import Record
from pulumi_training.spec.outcome import Reason, Status

pytestmark = [pytest.mark.alone, pytest.mark.mpi, pytest.mark.timeout(300)]
Make = Callable[..., World]


def reason(world: World) -> Reason | None:
    document = world.document()
    return document.outcome.reason if document and document.outcome else None


@pytest.mark.slow
def test_disk_full_while_the_script_writes(make_world: Make, small_disk: Callable[[str], Path]) -> None:
    world = make_world(ranks=1)
    world.job["compute"]["store"] = str(small_disk("size=3m") / "store")
    world.write_script(
        SCRIPT
        + """
if not os.path.exists(f"{proof}/space"):
    open(f"{proof}/filled", "w")
    with open("outputs/big.bin", "wb") as big:
        for _ in range(1000):
            big.write(bytes(65536)); big.flush()
open(f"outputs/late-{rank}.txt", "w").write(attempt)
"""
    )
    plugin = world.start_up()
    world.until((world.proof / "filled").exists, "a full disk")
    answer = world.answer(plugin)
    assert answer is not None
    assert "error" in answer or answer["outcome"]["status"] == "Failed", answer
    assert not world.left()
    (world.proof / "space").touch()
    small_disk("size=64m")
    world.bring_to_its_end()
    world.check()


def test_disk_full_from_the_start(make_world: Make, small_disk: Callable[[str], Path]) -> None:
    world = make_world(ranks=1)
    place = small_disk("size=1m")
    world.job["compute"]["store"] = str(place / "store")
    with (place / "ballast").open("wb", buffering=0) as ballast:
        with contextlib.suppress(OSError):
            for _ in range(1000):
                ballast.write(bytes(4096))
    answer = world.up()
    assert "full" in answer["error"]
    (place / "ballast").unlink()
    world.release()
    world.bring_to_its_end()
    world.check()


@pytest.mark.slow
def test_record_folder_read_only(make_world: Make, small_disk: Callable[[str], Path]) -> None:
    world = make_world(ranks=1)
    world.job["compute"]["store"] = str(small_disk("size=8m") / "store")
    world.start_up()
    world.reach("running")
    world.kill("everything")
    world.until(lambda: not world.pids("everything"), "the end of everything")
    world.release()
    small_disk("ro,size=8m")
    answer = world.up()
    assert "read-only" in answer["error"], answer
    assert len(world.journal()) == 1
    small_disk("rw,size=8m")
    world.bring_to_its_end()
    world.check()


def test_two_ups_at_once(make_world: Make) -> None:
    world = make_world()
    one, two = world.start_up("one"), world.start_up("two")
    world.reach("running")
    world.release()
    answers = [world.answer(one, "one"), world.answer(two, "two")]
    assert answers[0] == answers[1]
    assert answers[0] is not None and answers[0]["attempt"] == 1
    assert len(world.journal()) == world.ranks
    world.check()


@pytest.mark.slow
def test_two_ups_at_once_while_the_first_copies(make_world: Make) -> None:
    world = make_world()
    one = world.start_up("one", pause="intent written", pause_seconds=2)
    world.reach("intent written")
    two = world.start_up("two")
    world.release()
    answers = [world.answer(one, "one"), world.answer(two, "two")]
    assert answers[0] == answers[1]
    assert len(world.journal()) == world.ranks
    world.check()


def test_two_stacks_over_one_store(make_world: Make) -> None:
    one, two = make_world(ranks=1), make_world(ranks=1)
    two.job["compute"]["store"] = one.job["compute"]["store"]
    two.urn = URN.replace(":dev:", ":prod:")
    first, second = one.start_up(), two.start_up()
    one.release()
    two.release()
    answers = [one.answer(first), two.answer(second)]
    assert all(a and a["outcome"]["reason"] == "Completed" for a in answers), answers
    assert answers[0]["run_id"] != answers[1]["run_id"]  # type: ignore[index]
    for world in (one, two):
        assert len(world.journal()) == 1
        world.check()


def test_run_replaced_while_the_old_one_runs(make_world: Make) -> None:
    world = make_world()
    world.job["compute"]["maxNodes"] = 4
    world.start_up()
    world.reach("running")
    old = world.record()
    world.kill("plugin")
    world.write_script(ORDINARY + "# changed\n")
    plugin = world.start_up("two")
    world.until(lambda: len(world.journal()) == 2 * world.ranks, "the new run")
    world.release()
    answer = world.answer(plugin, "two")
    assert answer is not None and answer["outcome"]["reason"] == "Completed"
    assert old is not None and answer["run_id"] != old.run_id
    assert old.attempt(1).document().status is Status.CANCELED
    world.check()


def test_rank_stopped_by_a_signal_is_a_stall(make_world: Make) -> None:
    world = make_world(stallTimeoutSeconds=2, gracePeriodSeconds=1)
    plugin = world.start_up()
    world.reach("running")
    world.kill("rank", signal.SIGSTOP)
    world.answer(plugin)
    assert reason(world) is Reason.STALLED
    assert not world.left()
    world.release()
    world.bring_to_its_end()
    world.check()


def test_rank_that_ignores_sigterm_is_canceled_after_its_grace(make_world: Make) -> None:
    world = make_world(ranks=1, gracePeriodSeconds=1)
    world.write_script("import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + ORDINARY)
    plugin = world.start_up()
    world.reach("running")
    record = world.record()
    assert record is not None
    began = time.monotonic()
    document = cancel(record)
    assert time.monotonic() - began < 30
    assert document is not None and document.status is Status.CANCELED
    assert not world.left()
    world.answer(plugin)
    world.check(complete=False)


def test_asked_to_stop_by_somebody_who_went_away(make_world: Make) -> None:
    world = make_world(ranks=1, gracePeriodSeconds=0.5)
    plugin = world.start_up()
    world.reach("running")
    record = world.record()
    assert record is not None
    record.attempt(1).update(cancel_requested=True)  # killed before it could tell the agent
    world.answer(plugin)
    assert reason(world) is Reason.CANCELED
    world.check(complete=False)


@pytest.mark.parametrize(
    "words",
    [
        pytest.param("import subprocess; subprocess.Popen(['sleep', '300'])", id="a child outlives its rank"),
        pytest.param(
            "import subprocess; subprocess.Popen(['sleep', '301'], start_new_session=True, env={})",
            id="a child without a name outlives its rank",
            marks=pytest.mark.slow,
        ),
        pytest.param("os.close(1); os.close(2)", id="the script closes its output"),
        pytest.param(
            "[os.fork() == 0 and (time.sleep(300), os._exit(0)) for _ in range(3)]", id="the script forks"
        ),
        pytest.param(
            "import shutil; shutil.rmtree(os.getcwd(), ignore_errors=True)",
            id="the working folder is deleted",
        ),
        pytest.param(
            "os.setsid() if os.getpid() != os.getsid(0) else None; import signal; signal.pthread_sigmask(0, range(1, 32))",
            id="all signals are blocked",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_script(words: str, make_world: Make) -> None:
    world = make_world(ranks=1)
    world.write_script(
        SCRIPT
        + "out = os.path.realpath('outputs')\n"
        + words
        + '\nopen(f"{out}/late-{rank}.txt", "w").write(attempt)\n'
    )
    answer = world.up()
    assert answer["outcome"]["reason"] == "Completed", answer
    world.check()


def test_script_fills_the_temporary_folder(make_world: Make, small_disk: Callable[[str], Path]) -> None:
    world = make_world(ranks=2)
    world.job["environmentVariables"]["TMPDIR"] = str(small_disk("size=256k"))
    world.write_script(
        SCRIPT
        + """
import tempfile
# The folder is named: tempfile itself turns to another one where this one is full.
try:
    with tempfile.NamedTemporaryFile(delete=False, dir=os.environ["TMPDIR"]) as big:
        for _ in range(1000):
            big.write(bytes(4096)); big.flush()
    sys.exit("it was not full")
except OSError:
    pass
open(f"outputs/late-{rank}.txt", "w").write(attempt)
"""
    )
    assert world.up()["outcome"]["reason"] == "Completed"
    world.check()


@pytest.mark.slow
def test_supervisor_and_plugin_killed_then_the_run_ends_unseen(make_world: Make) -> None:
    world = make_world()
    world.start_up()
    world.reach("running")
    world.kill("supervisor")
    world.kill("plugin")
    world.kill("supervisor") if world.pids("supervisor") else None
    world.release()
    world.until((world.folder(1) / "launch" / "end.json").exists, "the end of the launch")
    assert world.bring_to_its_end() == 1
    assert world.document().attempt == 1  # type: ignore[union-attr]
    world.check()


@pytest.mark.slow
def test_supervisor_killed_between_submission_and_its_record(make_world: Make) -> None:
    """The handle is taken out of the record, as if the supervisor had died just before writing it."""
    world = make_world()
    world.start_up()
    world.reach("running")
    world.kill("plugin")
    world.kill("supervisor")
    path = world.folder(1) / "attempt.json"
    document = json.loads(path.read_text())
    document.update(handle=None, status="Queued", started_at=None)
    path.write_text(json.dumps(document))
    plugin = world.start_up("two")
    world.until(lambda: world.document().status is Status.RUNNING, "adoption")  # type: ignore[union-attr]
    world.release()
    answer = world.answer(plugin, "two")
    assert answer is not None and answer["attempt"] == 1 and answer["outcome"]["reason"] == "Completed"
    assert len(world.journal()) == world.ranks
    world.check()


@pytest.mark.slow
def test_retry_pending_when_supervisor_and_plugin_die(make_world: Make) -> None:
    world = make_world(ranks=1, retries={"maxAttempts": 3, "on": ["script_failed"], "backoffSeconds": 3})
    world.write_script(
        SCRIPT
        + """
if attempt == "1":
    sys.exit(3)
before = os.environ["TRAINING_RESUME_FROM"]
assert open(f"{before}/early-{rank}.txt").read() == "1"
open(f"outputs/late-{rank}.txt", "w").write(attempt)
"""
    )
    world.start_up()
    world.until(lambda: (world.document().attempt) == 2, "the second attempt's intent")  # type: ignore[union-attr]
    world.kill("plugin")
    world.kill("supervisor")
    world.bring_to_its_end()
    assert [attempt for _, attempt, _, _ in world.journal()] == [1, 2]
    world.check()


@pytest.mark.slow
def test_agent_stopped_by_a_signal_does_not_bar_a_cancel(make_world: Make) -> None:
    world = make_world(ranks=1, gracePeriodSeconds=0.2)
    plugin = world.start_up()
    world.reach("running")
    world.kill("agent", signal.SIGSTOP)
    record = world.record()
    assert record is not None
    document = cancel(record)
    assert document is not None and document.status is Status.CANCELED
    assert not world.left()
    world.answer(plugin)
    world.check(complete=False)


def test_supervisor_sees_nothing_of_the_engines_secrets(make_world: Make) -> None:
    world = make_world(ranks=1)
    os.environ["PULUMI_CONFIG_PASSPHRASE"] = "a passphrase"
    try:
        plugin = world.start_up()
        world.reach("running")
        for pid in world.pids("supervisor"):
            assert not any(name.startswith("PULUMI_") for name in psutil.Process(pid).environ())
        for process in world.left():
            assert "a passphrase" not in process.environ().values()
    finally:
        del os.environ["PULUMI_CONFIG_PASSPHRASE"]
    world.release()
    world.answer(plugin)
    world.check()


def test_records_of_two_owners_never_mix(make_world: Make) -> None:
    world = make_world(ranks=1)
    world.release()
    world.up()
    record = world.record()
    assert record is not None
    record.update_run(owner={"urn": "urn:pulumi:other::x::y::fit", "stack": "other", "project": "x"})
    (world.root / "state.json").unlink()
    answer = world.up("again")
    assert "belongs to" in answer["error"]
    assert Record(world.store, record.run_id).attempts() == [1]
