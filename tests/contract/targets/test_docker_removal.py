"""What is at the daemon goes away, whatever became of it, and what was written there does not."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from docker_place import DockerPlace
from places import until

from pulumi_training.spec.errors import PermanentError, TransientError
from pulumi_training.spec.outcome import Reason, Status
from pulumi_training.targets.containers import names
from pulumi_training.targets.contract.handle import Handle
from pulumi_training.targets.contract.run import RunSpec
from pulumi_training.targets.docker import known_daemons, nodes
from pulumi_training.targets.docker.backend import MARK
from pulumi_training.targets.docker.filters import filters

pytestmark = [
    pytest.mark.docker,
    pytest.mark.timeout(300),
    pytest.mark.parametrize("place", ["docker"], indirect=True),
]

ONE = {"nodeCount": 1, "processCountPerNode": 1, "distributedBackend": None}
NOBODY = "tcp://127.0.0.1:9"


def handle_of(run: RunSpec) -> Handle:
    return Handle.of("docker", run)


def lose_daemon(folder: Path) -> None:
    MARK.write(folder, {**MARK.read(folder), "docker_host": NOBODY})


def test_what_was_never_submitted_needs_no_daemon(
    place: DockerPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", NOBODY)
    run = place.run("pass", **ONE)
    place.target.remove(run.compute_reference, handle_of(run))


def test_what_was_removed_already_needs_no_daemon(place: DockerPlace) -> None:
    started = place.start("open('outputs/kept', 'w').write('x')\n", **ONE)
    assert started.ended().status is Status.COMPLETED
    started.collect()
    assert place.objects(started) == []
    lose_daemon(started.run.folder)
    place.target.remove(started.compute, started.handle)
    started.collect()
    assert (started.run.folder / "outputs" / "kept").read_text() == "x"


def test_what_may_be_there_is_not_forgotten(place: DockerPlace) -> None:
    started = place.start("pass", **ONE)
    started.ended()
    mark = MARK.read(started.run.folder)
    lose_daemon(started.run.folder)
    with pytest.raises(TransientError, match="does not answer"):
        place.target.remove(started.compute, started.handle)
    MARK.write(started.run.folder, mark)
    place.target.remove(started.compute, started.handle)
    assert place.objects(started) == []


def test_another_machine_stops_and_removes_by_the_handle_alone(place: DockerPlace, tmp_path: Path) -> None:
    started = place.start("import time\nprint('ready', flush=True)\ntime.sleep(120)\n", **ONE)
    started.until_printed("ready", 1)
    elsewhere = replace(started.handle, folder=str(tmp_path / "elsewhere"), began_in=started.handle.folder)
    place.target.cancel(started.compute, elsewhere, 0.0)
    assert place.left(started) == []
    started.ended()
    place.target.remove(started.compute, elsewhere)
    assert place.objects(started) == []


def test_one_lost_container_leaves_no_other_behind(place: DockerPlace) -> None:
    started = place.start("open('outputs/mine', 'w').write('x')\nimport time\ntime.sleep(1)\n")
    assert started.ended().status is Status.COMPLETED
    lost = names.object_name(started.run.run_id, started.run.attempt, 1, store=started.run.store)
    place.client.api.remove_container(lost, force=True)
    for _ in range(2):  # as often as it is tried again
        with pytest.raises(PermanentError, match=lost) as failure:
            started.collect()
        assert failure.value.reason is Reason.COLLECT_FAILED
        assert place.objects(started) == []
    assert (started.run.folder / "outputs" / "mine").read_text() == "x"


def test_a_submission_that_fails_half_way_can_be_taken_away(place: DockerPlace) -> None:
    run = place.run("pass")
    plan = place.plan(run)
    until(lambda: place.target.enter(plan, run) is None, "slots")
    other = place.client.volumes.create(names.object_name(run.run_id, 1, 1, store=run.store))
    try:
        with pytest.raises(PermanentError, match="belongs to somebody else"):
            place.target.submit(plan, run)
        wanted = filters(run.run_id, 1)
        assert place.client.api.containers(all=True, filters=wanted), "there is something to take away"
        place.target.remove(run.compute_reference, handle_of(run))
        assert not place.client.api.containers(all=True, filters=wanted)
        assert not place.client.api.networks(filters=wanted)
        assert not place.client.api.volumes(filters=wanted)["Volumes"]
        other.reload()
    finally:
        place.target.leave(run)
        other.remove(force=True)


def test_a_container_that_ends_before_its_command_starts_is_no_error(place: DockerPlace) -> None:
    import docker.errors

    started = place.start("import time\ntime.sleep(60)", **ONE)
    api = place.client.api
    (container,) = api.containers(filters=filters(started.run.run_id, 1))
    made = api.exec_create(container["Id"], ["true"])
    with pytest.raises(docker.errors.APIError), nodes.ended_meanwhile(place.client, container["Id"]):
        api.exec_create(container["Id"], [])  # what a live container is refused is an error
    api.kill(container["Id"])
    until(lambda: not api.inspect_container(container["Id"])["State"]["Running"], "its end")
    with nodes.ended_meanwhile(place.client, container["Id"]):
        api.exec_start(made["Id"])
        pytest.fail("a command started in a container that has ended")
    place.target.remove(started.compute, started.handle)


def test_a_file_with_two_names_comes_home_under_both(place: DockerPlace) -> None:
    started = place.start(
        "import os\nopen('outputs/epoch-5.pt', 'w').write('weights')\n"
        "os.link('outputs/epoch-5.pt', 'outputs/best.pt')\n",
        **ONE,
    )
    assert started.ended().status is Status.COMPLETED
    outputs = started.collect() / "outputs"
    assert {p.name: p.read_text() for p in outputs.iterdir()} == {
        "epoch-5.pt": "weights",
        "best.pt": "weights",
    }


def test_what_is_left_is_found_though_its_record_is_gone(place: DockerPlace) -> None:
    started = place.start("import time\nprint('ready', flush=True)\ntime.sleep(120)\n", **ONE)
    started.until_printed("ready", 1)
    known_daemons.remember({"docker_host": NOBODY})
    shutil.rmtree(place.root / "store")
    told: list[str] = []
    (found,) = [h for h in place.target.leftovers(None, told.append) if h.run_id == started.run.run_id]
    assert len(told) == 1 and NOBODY in told[0], "whoever is away is told, and keeps nobody from the others"
    place.target.remove(started.compute, found)
    assert place.objects(started) == []
    assert not [h for h in place.target.leftovers(None, told.append) if h.run_id == started.run.run_id]


def test_nobody_elses_containers_are_ours(place: DockerPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    started = place.start("import time\nprint('ready', flush=True)\ntime.sleep(120)\n", **ONE)
    started.until_printed("ready", 1)
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("TRAINING_STATE_DIR", str(place.root / "another-user"))
        known_daemons.remember(started.handle.settings)
        assert list(place.target.leftovers(None, print)) == []
    assert [h.run_id for h in place.target.leftovers(None, print)] == [started.run.run_id]
