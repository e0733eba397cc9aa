"""What a machine that has only the record can do: see, stop and remove an attempt that another one submitted.

The second machine is this process with another home and another state folder, nothing lent to it and nothing followed,
and the first one's state folder out of its sight.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from docker_place import DockerPlace
from places import Place, Started, until

from pulumi_training.driver import attempt_run, stop
from pulumi_training.driver.drive import drive
from pulumi_training.driver.policy import Policy
from pulumi_training.driver.settle import settle
from pulumi_training.record.attempt import Attempt
from pulumi_training.record.documents import AttemptDocument, RunDocument
from pulumi_training.record.holder import this_process
from pulumi_training.record.notes import Notes
from pulumi_training.record.record import Record
from pulumi_training.record.store import Store
from pulumi_training.spec.attribution import attribute
from pulumi_training.spec.errors import TransientError
from pulumi_training.spec.outcome import Outcome, Reason, Status
from pulumi_training.targets import withheld
from pulumi_training.targets.contract.handle import ComputeReference, Handle
from pulumi_training.targets.contract.observation import Observation

pytestmark = [pytest.mark.mpi, pytest.mark.timeout(300)]
local_only = pytest.mark.parametrize("place", ["local"], indirect=True)

FIRST = "the-first-machine"
NOBODY = "tcp://127.0.0.1:9"
ONE = {"nodeCount": 1, "processCountPerNode": 1, "distributedBackend": None}
SLEEP = "import time\nopen('outputs/kept', 'w').write('x')\nprint('ready', flush=True)\ntime.sleep(120)\n"


@dataclass
class Far:
    """An attempt as a machine sees it that has its record."""

    place: Place
    record: Record

    @property
    def attempt(self) -> Attempt:
        return self.record.attempt(1)

    @property
    def compute(self) -> ComputeReference:
        spec = self.record.run_document().spec
        return attempt_run.compute_of(spec, self.record.run_id, self.attempt.document())

    @property
    def handle(self) -> Handle:
        return attempt_run.handle_of(self.attempt, self.attempt.document())

    def observe(self) -> Observation:
        return self.place.target.observe(self.compute, [self.handle])[self.handle]

    def mirrored(self) -> Observation:
        """As a driver looks."""
        folder = self.attempt.prepare_folder()
        self.place.target.mirror(self.compute, self.handle, folder)
        return self.observe()

    def cancel(self) -> None:
        self.place.target.cancel(self.compute, self.handle, 5.0)

    def remove(self) -> None:
        self.place.target.remove(self.compute, self.handle)

    def close(self) -> None:
        self.place.target.release([self.handle])


Leave = Callable[..., Far]


@pytest.fixture
def leave(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Leave]:
    """Writes an attempt's record as its driver does, and goes to another machine; at the end back to the first."""
    first, hidden = tmp_path / "state", tmp_path / "state-of-the-first"
    found: list[Far] = []

    def leave(started: Started, *, host: str = FIRST, hides: bool = True, **changes: Any) -> Far:
        run = started.run
        record = Record(Store.open(str(run.document["compute"]["store"])), run.run_id)
        record.write_run(RunDocument(run.run_id, spec=dict(run.document), newest_attempt=1))
        me = this_process()
        fields: dict[str, Any] = {
            "status": Status.RUNNING,
            "target": place.name,
            "plan": started.plan.to_json(),
            "handle": started.handle.to_json(),
            "supervisor": {"pid": me.pid, "host": host, "boot_id": "", "started_at": 1.0},
            "store_identity": run.store,
            "notes": Notes.of(series_start=1),
            **changes,
        }
        record.attempt(1).create(AttemptDocument(run.run_id, 1, **fields))
        place.target.release([started.handle])
        if hides:
            first.rename(hidden)
        monkeypatch.setenv("HOME", str(tmp_path / "second-home"))
        monkeypatch.setenv("TRAINING_STATE_DIR", str(tmp_path / "second-state"))
        monkeypatch.setattr(withheld, "_given", {})
        found.append(Far(place, record))
        return found[-1]

    yield leave
    for far in found:
        far.close()
    monkeypatch.setenv("TRAINING_STATE_DIR", str(first))
    with suppress(FileNotFoundError):
        hidden.rename(first)


def remote(place: Place) -> str:
    """A store that machines share, and no folder of theirs."""
    return f"memory://{uuid.uuid4().hex}/runs"


def begin(place: Place, script: str = SLEEP, **job: Any) -> Started:
    store = remote(place)
    compute = {**place.compute(), "store": store, **job.pop("compute", {})}
    return place.start(script, store=store, compute=compute, **{**ONE, **job})


# A backend that answers every machine.


@pytest.mark.parametrize("place", ["docker"], indirect=True)
@pytest.mark.docker
def test_an_attempt_is_seen_and_followed_by_its_record_alone(place: DockerPlace, leave: Leave) -> None:
    started = begin(place).until_printed("ready")
    far = leave(started)
    assert not far.attempt.folder.exists()
    assert far.observe().status is Status.RUNNING
    assert far.mirrored().status is Status.RUNNING
    log = far.attempt.folder / "logs" / "std" / "rank-0.log"
    until(lambda: far.mirrored() and log.is_file() and b"ready" in log.read_bytes(), "the log comes here")


@pytest.mark.parametrize("place", ["docker"], indirect=True)
@pytest.mark.docker
def test_one_whose_submission_came_to_no_record_is_found_at_its_cluster(
    place: DockerPlace, leave: Leave
) -> None:
    started = begin(place).until_printed("ready")
    far = leave(started, handle=None)
    assert far.handle.settings == {}
    assert far.observe().status is Status.RUNNING
    far.cancel()
    assert place.left(started) == []


@pytest.mark.parametrize("place", ["docker"], indirect=True)
@pytest.mark.docker
def test_what_it_made_is_collected_by_another_machine(place: DockerPlace, leave: Leave) -> None:
    started = begin(place, "open('outputs/model', 'w').write('weights')\nprint('made', flush=True)\n")
    until(lambda: place.left(started), "it runs")
    far = leave(started)
    seen = until(lambda: (seen := far.mirrored()).status.is_terminal and seen, "the end")
    outcome = attribute(seen.launch, seen.ranks)
    assert (seen.status, outcome.reason) == (Status.COMPLETED, Reason.COMPLETED)
    run = replace(started.run, folder=far.attempt.folder, driven_on=FIRST)
    settled = settle(
        far.record, far.attempt, place.target, run, Policy.of(far.record.run_document().job), outcome
    )
    assert settled.is_success
    assert (far.attempt.folder / "outputs" / "model").read_text() == "weights"
    assert far.record.store.read(f"{far.attempt.prefix}/outputs/model") == b"weights"
    assert place.objects(started) == []


@pytest.mark.parametrize("place", ["docker"], indirect=True)
@pytest.mark.docker
def test_every_node_is_stopped_and_removed_by_the_record_alone(place: DockerPlace, leave: Leave) -> None:
    started = begin(place, nodeCount=2, processCountPerNode=2, distributedBackend="gloo")
    started.until_printed("ready", 4)
    far = leave(started)
    far.cancel()
    assert place.left(started) == [], "cancel returns when it has seen it stopped"
    far.attempt.prepare_folder()
    seen = far.observe()
    assert attribute(seen.launch, seen.ranks).reason is Reason.CANCELED
    far.remove()
    assert place.objects(started) == []
    assert (far.attempt.folder / "outputs" / "kept").read_text() == "x", "nothing of it was lost"
    far.remove()


@pytest.mark.parametrize("place", ["docker"], indirect=True)
@pytest.mark.docker
def test_what_nobody_could_collect_is_not_lost_with_the_removal(place: DockerPlace, leave: Leave) -> None:
    started = begin(place, "open('outputs/kept', 'w').write('x')\n")
    started.ended()
    failure = Outcome(Reason.COLLECT_FAILED, "the disk was full")
    far = leave(started, status=failure.status, outcome=failure)
    stop.remove(far.record)
    assert place.objects(started) == []
    assert (far.attempt.folder / "outputs" / "kept").read_text() == "x"


@pytest.mark.parametrize("place", ["docker"], indirect=True)
@pytest.mark.docker
def test_the_first_machine_sees_what_the_second_did(
    place: DockerPlace, leave: Leave, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = begin(place).until_printed("ready")
    far = leave(started)
    far.cancel()
    far.close()
    (tmp_path / "state-of-the-first").rename(tmp_path / "state")
    monkeypatch.setenv("TRAINING_STATE_DIR", str(tmp_path / "state"))
    assert started.outcome().reason is Reason.CANCELED
    started.collect()
    assert (started.run.folder / "outputs" / "kept").read_text() == "x"


@pytest.mark.parametrize("is_recorded", [True, False], ids=["submission recorded", "submission not recorded"])
@pytest.mark.parametrize("place", ["docker"], indirect=True)
@pytest.mark.docker
def test_another_machine_drives_it_to_its_end(
    place: DockerPlace, leave: Leave, tmp_path: Path, is_recorded: bool
) -> None:
    script = "import time\nopen('outputs/model', 'w').write('weights')\nprint('ready', flush=True)\ntime.sleep(5)\n"
    started = begin(place, script).until_printed("ready")
    far = leave(started, **({} if is_recorded else {"handle": None}))
    outcome = drive(far.record, 1, tmp_path, {})
    assert outcome is not None and outcome.reason is Reason.COMPLETED, outcome
    assert far.record.numbers() == [1], "nothing was trained again"
    assert far.record.store.read(f"{far.attempt.prefix}/outputs/model") == b"weights"
    assert b"ready" in far.record.store.read(f"{far.attempt.prefix}/logs/std/rank-0.log")
    document = far.attempt.document()
    assert document.supervisor is not None and document.supervisor["host"] == FIRST
    assert place.objects(started) == []


# A credential that no record has.


def secretly(place: DockerPlace, **job: Any) -> Started:
    """An attempt at a daemon whose address is a secret of the program."""
    secrets = {"[secret 1]": os.environ["DOCKER_HOST"]}
    store = remote(place)
    compute = {**place.compute(), "store": store, "settings": {"dockerHost": secrets["[secret 1]"]}}
    run = place.run(SLEEP, store=store, compute=compute, secrets=secrets, **{**ONE, **job})
    plan = place.plan(run)
    until(lambda: place.target.enter(plan, run) is None, "slots")
    withheld.lend(run.run_id, secrets)
    return place.submit(plan, run).until_printed("ready")


@pytest.mark.parametrize("is_recorded", [True, False], ids=["submission recorded", "submission not recorded"])
@pytest.mark.parametrize("place", ["docker"], indirect=True)
@pytest.mark.docker
def test_without_the_credential_it_is_said_which_one_is_missing(
    place: DockerPlace, leave: Leave, is_recorded: bool
) -> None:
    started = secretly(place)
    far = leave(started, **({} if is_recorded else {"handle": None}))
    document = far.record.store.read(f"{far.attempt.prefix}/attempt.json").decode()
    assert os.environ["DOCKER_HOST"] not in document
    seen = far.observe()
    assert seen.status is Status.NOT_RESPONDING
    for words in (seen.problem, refused(far.cancel), refused(far.remove), refused(far.mirrored)):
        assert "compute.settings.dockerHost" in words and "`pulumi up`" in words
        assert far.record.run_id in words
    assert place.left(started), "nothing was stopped"
    withheld.lend(far.record.run_id, started.run.secrets)
    assert far.observe().status is Status.RUNNING
    far.cancel()
    far.remove()
    assert place.objects(started) == []


@pytest.mark.parametrize("place", ["docker"], indirect=True)
@pytest.mark.docker
def test_certificates_that_this_machine_has_not_are_named(place: DockerPlace, leave: Leave) -> None:
    started = begin(place).until_printed("ready")
    handle = {
        **started.handle.to_json(),
        "settings": {"docker_host": NOBODY, "tls": "/home/first/certificates"},
    }
    far = leave(started, handle=handle)
    seen = far.observe()
    assert seen.status is Status.NOT_RESPONDING
    for words in (seen.problem, refused(far.cancel), refused(far.remove)):
        assert "compute.settings.tls" in words and "/home/first/certificates" in words


def refused(step: Callable[[], object]) -> str:
    with pytest.raises(TransientError) as failure:
        step()
    return failure.value.message


# A backend that does not answer.


@pytest.mark.parametrize("place", ["docker"], indirect=True)
@pytest.mark.docker
def test_a_run_is_not_canceled_because_its_backend_is_silent(place: DockerPlace, leave: Leave) -> None:
    started = begin(place).until_printed("ready")
    far = leave(started, handle={**started.handle.to_json(), "settings": {"docker_host": NOBODY}})
    seen = far.observe()
    assert seen.status is Status.NOT_RESPONDING and "does not answer" in seen.problem
    assert "does not answer" in refused(lambda: stop.cancel(far.record))
    document = far.attempt.document()
    assert document.is_live and document.outcome is None
    assert "does not answer" in refused(lambda: stop.remove(far.record))
    assert far.attempt.document().is_live and place.left(started)


@pytest.mark.parametrize("place", ["docker"], indirect=True)
@pytest.mark.docker
def test_a_socket_of_this_machine_is_no_proof_of_what_is_at_another(place: DockerPlace, leave: Leave) -> None:
    """Every machine has a daemon at such a path, and each has its own."""
    started = begin(place).until_printed("ready")
    other = {**started.handle.to_json(), "run_id": "fit-ffffffffff"}
    far = leave(started, handle=other)
    seen = far.observe()
    assert seen.status is Status.NOT_RESPONDING and FIRST in seen.problem and "--machine-gone" in seen.problem
    assert FIRST in refused(far.cancel) and FIRST in refused(far.remove)


# Attempts that are processes of the machine that submitted them.


@local_only
def test_only_the_machine_itself_tells_of_its_processes(place: Place, leave: Leave) -> None:
    started = begin(place).until_printed("ready")
    far = leave(started)
    seen = far.observe()
    assert seen.status is Status.NOT_RESPONDING
    for words in (seen.problem, refused(far.cancel), refused(far.remove)):
        assert FIRST in words and "--machine-gone" in words
    assert place.left(started), "nothing was stopped"
    assert FIRST in refused(lambda: stop.cancel(far.record))
    assert far.attempt.document().is_live


@local_only
def test_a_machine_that_is_gone_for_good_is_given_up_by_the_word_of_a_person(
    place: Place, leave: Leave
) -> None:
    started = begin(place)
    place.target.cancel(started.compute, started.handle, 0.0)
    far = leave(started, handle=None)
    assert FIRST in refused(lambda: stop.cancel(far.record))
    ended = stop.cancel(far.record, is_machine_gone=True)
    assert ended is not None and ended.status is Status.CANCELED
    far.remove()


@local_only
def test_an_end_that_is_in_the_record_is_told_by_every_machine(place: Place, leave: Leave) -> None:
    started = begin(place, "print('done')\n")
    assert started.ended().status is Status.COMPLETED
    far = leave(started, status=Status.COMPLETED, outcome=Outcome(Reason.COMPLETED))
    assert far.handle.driven_on == ""
    far.cancel()
    far.remove()


def test_another_state_folder_of_the_same_machine_has_the_same_attempt(place: Place, leave: Leave) -> None:
    started = begin(place).until_printed("ready")
    far = leave(started, host=os.uname().nodename, hides=False)
    assert far.mirrored().status is Status.RUNNING
    log = far.attempt.folder / "logs" / "std" / "rank-0.log"
    until(lambda: far.mirrored() and log.is_file() and b"ready" in log.read_bytes(), "the log comes here")
    far.cancel()
    assert place.left(started) == []
    seen = far.mirrored()
    assert attribute(seen.launch, seen.ranks).reason is Reason.CANCELED
    run = replace(started.run, folder=far.attempt.folder)
    place.target.collect(far.compute, far.handle, run, print)
    assert (far.attempt.folder / "outputs" / "kept").read_text() == "x"
    far.remove()


# Many attempts, one question.


def test_many_attempts_are_answered_at_once(place: Place) -> None:
    live = [place.start(SLEEP, **ONE).until_printed("ready") for _ in range(2)]
    over = place.start("print('done')\n", **ONE)
    over.ended()
    never = Handle.of(place.name, place.run("pass", **ONE))
    handles = [*(each.handle for each in live), over.handle, never]
    seen = place.target.observe(live[0].compute, handles)
    assert [seen[handle].status for handle in handles] == [
        Status.RUNNING,
        Status.RUNNING,
        Status.COMPLETED,
        Status.NOT_STARTED,
    ]


@pytest.mark.parametrize("place", ["docker"], indirect=True)
@pytest.mark.docker
def test_one_daemon_that_is_silent_keeps_no_answer_from_the_others(place: DockerPlace, leave: Leave) -> None:
    started = begin(place).until_printed("ready")
    far = leave(started)
    lost = replace(far.handle, attempt=2, settings={"docker_host": NOBODY}, folder="/nowhere/2")
    seen = place.target.observe(far.compute, [lost, far.handle])
    assert [seen[lost].status, seen[far.handle].status] == [Status.NOT_RESPONDING, Status.RUNNING]
