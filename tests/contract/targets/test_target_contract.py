"""What every target promises, whatever it is made of."""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import replace

import pytest
from places import LIVE, Place, Started, facts_by_rank, until

from pulumi_training.spec.outcome import Reason, Status
from pulumi_training.targets.contract.capabilities import Queues
from pulumi_training.targets.contract.handle import Handle
from pulumi_training.targets.contract.plan import Plan

pytestmark = [pytest.mark.mpi, pytest.mark.timeout(300)]

SLEEP = "import os, time\nprint('ready', flush=True)\ntime.sleep(120)\n"
ONE = {"nodeCount": 1, "processCountPerNode": 1, "distributedBackend": None}


def test_starts_every_rank_and_ends_well(place: Place) -> None:
    started = place.start("import os\nprint('I am', os.environ['RANK'], 'of', os.environ['WORLD_SIZE'])\n")
    seen = started.ended()
    assert seen.status is Status.COMPLETED and started.outcome().reason is Reason.COMPLETED
    facts = facts_by_rank(seen)
    assert sorted(facts) == [0, 1, 2, 3] and all(f.success for f in facts.values())
    assert [facts[rank].node for rank in range(4)] == [0, 0, 1, 1]
    assert seen.started_at is not None
    for rank in range(4):
        assert f"I am {rank} of 4".encode() in started.log(rank)
    started.until_gone()


def test_plan_is_pure_and_says_what_is_not_known_yet(place: Place) -> None:
    run = place.run("pass")
    sketch = place.target.plan(run, None)
    assert (
        not sketch.is_complete
        and place.left(Started(place, run, sketch, Handle(place.name, run.run_id, 1, ""))) == []
    )
    prepared = place.target.prepare(run, lambda line: None)
    one, two = place.target.plan(run, prepared), place.target.plan(run, prepared)
    assert one == two and one.is_complete
    assert Plan.from_json(json.loads(json.dumps(one.to_json()))) == one
    assert one.slots == 4 and one.summary
    assert place.target.find_prepared(run) == prepared, "what is prepared already is found without work"


def test_preparing_twice_does_the_work_once(place: Place) -> None:
    run = place.run("pass")
    first = place.target.prepare(run, lambda line: None)
    began = time.monotonic()
    assert place.target.prepare(run, lambda line: None).digest == first.digest
    assert time.monotonic() - began < 20


def test_log_is_streamed_and_read_from_cursors(place: Place) -> None:
    started = place.start(
        "import time\nfor n in range(30):\n    print('line', n, flush=True)\n    time.sleep(0.05)\n", **ONE
    )
    pieces, cursor, was_live = [], 0, False
    while not (seen := started.observe()).status.is_terminal:
        piece = started.log(0, cursor)
        was_live = was_live or (bool(piece) and seen.status in LIVE)
        pieces.append(piece)
        cursor += len(piece)
        time.sleep(0.05)
    pieces.append(started.log(0, cursor))
    whole = b"".join(pieces)
    assert whole == started.log(0) and whole.count(b"line") == 30
    assert was_live, "nothing was seen before the end"
    assert started.log(0, len(whole)) == b"" and started.log(7) == b""


def test_event_files_of_every_node_are_read_while_they_grow(place: Place) -> None:
    started = place.start(
        "import os, socket, time\n"
        "name = f'logs/tb/events.out.tfevents.1.{socket.gethostname()}.{os.environ[\"RANK\"]}'\n"
        "os.makedirs('logs/tb', exist_ok=True)\n"
        "for count in range(600):\n"
        "    open(name, 'ab').write(b'point')\n"
        "    print('written', flush=True)\n"
        "    time.sleep(0.1)\n"
    )

    def sizes() -> list[int]:
        started.observe()
        return [path.stat().st_size for path in (started.run.folder / "logs" / "tb").glob("*tfevents*")]

    until(lambda: len(sizes()) == 4, "an event file of each rank")
    first = max(sizes())
    until(lambda: min(sizes()) > first, "they grow")
    assert started.observe().status is Status.RUNNING
    place.target.cancel(started.compute, started.handle, 0.0)
    started.collect()
    assert not list(started.run.folder.rglob("logs/.node-*")), "each is there once"
    assert all(size % len("point") == 0 and size > first for size in sizes())


def test_one_failed_rank_fails_the_run_and_is_named(place: Place) -> None:
    started = place.start(
        "import os, sys, time\nif os.environ['RANK'] == '2':\n    print('last words', flush=True)\n"
        "    raise ValueError('no such luck')\ntime.sleep(120)\n"
    )
    outcome = started.outcome()
    assert (outcome.reason, outcome.rank, outcome.node, outcome.exit_code) == (Reason.SCRIPT_FAILED, 2, 1, 1)
    assert outcome.exception == "ValueError: no such luck" and "last words" in outcome.log_tail
    started.until_gone()


@pytest.mark.alone  # on a busy machine the launcher ends the second rank of the node before its own end is noticed
def test_killed_node_is_lost(place: Place) -> None:
    started = place.start(SLEEP).until_printed("ready", 4)
    place.kill_node(started, 1)
    outcome = started.outcome()
    assert (outcome.reason, outcome.node) == (Reason.NODE_LOST, 1)
    started.until_gone()


def test_cancel_gives_every_script_its_grace(place: Place) -> None:
    started = place.start(
        "import os, signal, sys, time\n"
        "def save(*_):\n"
        "    time.sleep(0.5)\n"
        "    open(os.path.join(os.environ['TRAINING_OUTPUT_DIR'], 'saved-' + os.environ['RANK']), 'w').write('x')\n"
        "    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, save)\n"
        "print('ready', flush=True)\n"
        "while True:\n    time.sleep(0.05)\n"
    ).until_printed("ready", 4)
    place.target.cancel(started.compute, started.handle, 20.0)
    assert place.left(started) == [], "cancel returns when it has seen it stopped"
    assert started.outcome().reason is Reason.CANCELED
    outputs = started.collect() / "outputs"
    assert sorted(p.name for p in outputs.iterdir()) == [f"saved-{rank}" for rank in range(4)]
    place.target.cancel(started.compute, started.handle, 1.0)
    assert started.outcome().reason is Reason.CANCELED, "canceling an ended attempt changes nothing"


def test_cancel_ends_a_script_that_will_not_go(place: Place) -> None:
    started = place.start("import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SLEEP)
    started.until_printed("ready", 4)
    began = time.monotonic()
    place.target.cancel(started.compute, started.handle, 1.0)
    assert time.monotonic() - began < 30 and place.left(started) == []
    assert started.outcome().reason is Reason.CANCELED


def test_submitting_twice_is_one_run(place: Place) -> None:
    started = place.start(
        "import os, time\nopen(f\"outputs/start-{os.environ['RANK']}-{os.getpid()}\", 'w').close()\n"
        "print('ready', flush=True)\ntime.sleep(3)\n"
    )
    again: list[Started] = []
    threads = [
        threading.Thread(target=lambda: again.append(place.submit(started.plan, started.run)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [a.handle for a in again] == [started.handle] * 3
    assert started.outcome().reason is Reason.COMPLETED
    place.submit(started.plan, started.run)
    assert started.observe().status is Status.COMPLETED, "an ended attempt is not started again"
    assert len(list((started.collect() / "outputs").iterdir())) == 4


def test_handle_is_rebuilt_from_what_everybody_knows(place: Place) -> None:
    started = place.start(SLEEP).until_printed("ready")
    run = started.run
    rebuilt = Handle(place.name, run.run_id, run.attempt, str(run.folder), store=run.store)
    assert place.target.observe(started.compute, [rebuilt])[rebuilt].status is Status.RUNNING
    assert Handle(**json.loads(json.dumps(started.handle.to_json()))) == started.handle
    place.target.cancel(started.compute, rebuilt, 0.0)
    assert place.left(started) == []


def test_limits_of_a_live_attempt_are_amended(place: Place) -> None:
    started = place.start(SLEEP, maxRunDurationSeconds=600, gracePeriodSeconds=0).until_printed("ready", 4)
    place.target.amend(
        started.compute, started.handle, {**started.run.document, "maxRunDurationSeconds": 0.5}
    )
    assert started.outcome().reason is Reason.RUN_TIMEOUT
    started.until_gone()


def test_run_time_and_stall_are_limited(place: Place) -> None:
    started = place.start(SLEEP, maxRunDurationSeconds=1, gracePeriodSeconds=0, **ONE)
    assert started.outcome().reason is Reason.RUN_TIMEOUT
    started = place.start(SLEEP, stallTimeoutSeconds=1.5, gracePeriodSeconds=0, **ONE)
    assert started.outcome().reason is Reason.STALLED


def test_collecting_twice_is_collecting_once(place: Place) -> None:
    started = place.start(
        "import os\nopen('outputs/model.bin', 'wb').write(bytes(100_000))\nopen('logs/own.log', 'w').write('mine')\n",
        **ONE,
    )
    started.ended()
    for _ in range(2):
        folder = started.collect()
        assert (folder / "outputs" / "model.bin").stat().st_size == 100_000
        assert (folder / "logs" / "own.log").read_text() == "mine"


def test_named_outputs_are_delivered(place: Place) -> None:
    started = place.start(
        "import os\nopen(os.path.join(os.environ['TRAINING_DATA_MODEL'], 'model.bin'), 'w').write('weights')\n",
        outputs={"model": {"uri": str(place.root / "delivered"), "mode": "upload"}},
        **ONE,
    )
    assert started.outcome().reason is Reason.COMPLETED, started.log()
    started.collect()
    assert (place.root / "delivered" / "model.bin").read_text() == "weights"


def test_remove_ends_what_lives_and_keeps_the_record(place: Place) -> None:
    started = place.start("open('outputs/kept', 'w').write('x')\n" + SLEEP).until_printed("ready", 4)
    for _ in range(2):
        place.target.remove(started.compute, started.handle)
        assert place.left(started) == []
    assert (started.run.folder / "outputs" / "kept").read_text() == "x"
    if isinstance(place.target, Queues):
        place.target.leave(started.run)
    assert (started.run.run_id, 1) not in found(place, started)


def test_live_attempts_are_found_by_their_labels(place: Place) -> None:
    started = place.start(SLEEP).until_printed("ready")
    assert (started.run.run_id, 1) in found(place, started)
    handle = next(h for h in place.target.leftovers(started.compute, print) if h.run_id == started.run.run_id)
    place.target.cancel(started.compute, handle, 0.0)
    assert place.left(started) == []


def found(place: Place, started: Started) -> set[tuple[str, int]]:
    return {(h.run_id, h.attempt) for h in place.target.leftovers(started.compute, print)}


def test_what_the_backend_forgot_is_not_started_and_no_error(place: Place) -> None:
    started = place.start("open('outputs/kept', 'w').write('x')\n", **ONE)
    assert started.ended().status is Status.COMPLETED
    started.collect()
    place.forget(started)
    assert started.observe().status is Status.NOT_STARTED
    place.target.cancel(started.compute, started.handle, 0.0)
    place.target.remove(started.compute, started.handle)
    assert (started.run.folder / "outputs" / "kept").read_text() == "x"


def test_slots_are_given_in_order_of_arrival(place: Place) -> None:
    if not isinstance(place.target, Queues):
        pytest.skip("its queue is not ours")
    queue, small = place.target, place.compute(nodes=1, slots=1)
    runs = [place.run("pass", compute=small, **ONE) for _ in range(3)]
    plans = [place.plan(run) for run in runs]
    assert [queue.enter(plan, run) for plan, run in zip(plans, runs, strict=True)] == [None, 1, 2]
    assert queue.enter(plans[2], runs[2]) == 2 and queue.enter(plans[1], runs[1]) == 1
    queue.leave(runs[0])
    assert queue.enter(plans[2], runs[2]) == 1 and queue.enter(plans[1], runs[1]) is None
    queue.leave(runs[1])
    queue.leave(runs[1])
    assert queue.enter(plans[2], runs[2]) is None
    queue.leave(runs[2])


def test_gpus_are_shared_out_to_processes(place: Place) -> None:
    if not isinstance(place.target, Queues):
        pytest.skip("its GPUs are not ours to give")
    if not place.offers_gpus:
        pytest.skip("there are no GPUs")
    compute = place.compute(nodes=2, slots=2, gpus=4)
    started = place.start(
        "import os\nprint('mine:', os.environ['CUDA_VISIBLE_DEVICES'])\n", compute=compute, useGpu=True
    )
    assert started.outcome().reason is Reason.COMPLETED
    given = [started.log(rank).decode().split("mine: ")[1].strip() for rank in range(4)]
    assert given == ["0,1", "2,3", "4,5", "6,7"]


def test_script_sees_its_contract_and_no_secret_of_the_machine(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "a passphrase")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    started = place.start(
        "import json, os\nprint('token is', os.environ['TOKEN'])\n"
        "json.dump(dict(os.environ), open(f\"outputs/{os.environ['RANK']}.json\", 'w'))\n",
        environmentVariables={"MINE": "yes", "TRAINING_RUN_ID": "not mine to set"},
        secretEnvironmentVariables={"TOKEN": "very-secret-token"},
    )
    assert started.outcome().reason is Reason.COMPLETED, started.log()
    folder = started.collect()
    for rank in range(4):
        seen = json.loads((folder / "outputs" / f"{rank}.json").read_text())
        assert (seen["RANK"], seen["WORLD_SIZE"], seen["NODE_RANK"]) == (str(rank), "4", str(rank // 2))
        assert (seen["LOCAL_RANK"], seen["LOCAL_WORLD_SIZE"]) == (str(rank % 2), "2")
        assert seen["TRAINING_RUN_ID"] == started.run.run_id and seen["TRAINING_ATTEMPT"] == "1"
        assert seen["MINE"] == "yes" and seen["TOKEN"] == "very-secret-token"
        assert "a passphrase" not in seen.values() and seen.get("PYTHONPATH") != "/elsewhere"
        assert not any(name.startswith(("PULUMI_", "TRAINING_AGENT")) for name in seen)
        assert b"very-secret-token" not in started.log(rank) and b"token is" in started.log(rank)
        (folder / "outputs" / f"{rank}.json").unlink()
    for path in folder.rglob("*"):
        assert not path.is_file() or b"very-secret-token" not in path.read_bytes(), path


def test_attempts_of_one_run_are_kept_apart(place: Place) -> None:
    first = place.start(SLEEP, **ONE).until_printed("ready")
    second = place.start("print('second')\n", run_id=first.run.run_id, attempt=2, **ONE)
    assert second.outcome().reason is Reason.COMPLETED and b"second" in second.log()
    assert first.observe().status is Status.RUNNING
    assert os.environ["TRAINING_STATE_DIR"] and until(lambda: place.left(first), "the first is untouched")
    place.target.cancel(first.compute, first.handle, 0.0)


def test_every_rank_is_told_its_mlflow_run(place: Place) -> None:
    """What only submission can tell, beside a plan that was made before."""
    told = {"MLFLOW_TRACKING_URI": "http://host:5000", "MLFLOW_RUN_ID": "abc", "MLFLOW_EXPERIMENT_ID": "7"}
    run = place.run(
        "import os\nprint([os.environ[f'MLFLOW_{n}'] for n in ('TRACKING_URI', 'RUN_ID', 'EXPERIMENT_ID')])\n"
        "assert os.environ['MLFLOW_TRACKING_TOKEN'] == 'a-secret-token'\n",
        secretEnvironmentVariables={"MLFLOW_TRACKING_TOKEN": "a-secret-token"},
    )
    plan = place.plan(run)
    queue = place.target
    if isinstance(queue, Queues):
        until(lambda: queue.enter(plan, run) is None, "slots")
    started = place.submit(plan, replace(run, tracking=told))
    assert started.outcome().reason is Reason.COMPLETED, started.log()
    for rank in range(4):
        assert b"['http://host:5000', 'abc', '7']" in started.log(rank)
