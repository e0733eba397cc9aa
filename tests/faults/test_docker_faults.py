"""What may die under a run in containers: processes, nodes, networks, disks, images and the daemon itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from docker_world import DockerWorld
from own_daemon import Daemon, call, own_daemon
from world import SCRIPT

from pulumi_training.spec.outcome import Reason, Status
from pulumi_training.targets.docker.backend import MARK

pytestmark = [
    pytest.mark.alone,
    pytest.mark.docker,
    pytest.mark.mpi,
    pytest.mark.slow,
    pytest.mark.timeout(300),
]
Make = Callable[..., DockerWorld]

CELLS = {
    "intent written": ("plugin",),
    "environment building": ("everything",),
    "starting": ("plugin", "supervisor", "everything"),
    "running": (
        "plugin", "supervisor", "agent", "launcher", "wrapper", "rank", "node 0", "node 1", "everything",
    ),
    "finalizing": ("supervisor",),
}  # fmt: skip
ENDS = {
    "agent": Reason.SUPERVISOR_LOST,
    "launcher": Reason.LAUNCH_FAILED,
    "rank": Reason.RANK_SIGNALED,
    "node 0": Reason.NODE_LOST,
    "node 1": Reason.NODE_LOST,
}
"""How the first attempt ends; the next `up` takes another."""
MOMENTS = (0.05, 0.25, 0.5)
ROOMY, TIGHT = "size=3g", 24 << 20


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    """A daemon with a disk of its own."""
    with own_daemon(2, disk=ROOMY) as found:
        found.start()
        yield found


@pytest.fixture
def make_docker_world(
    daemon: Daemon, tmp_path: Path, shared_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Make]:
    """`make_docker_world(ranks=2, **job)`."""
    for name in [n for n in os.environ if n.startswith(("PULUMI_", "TRAINING_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TRAINING_CACHE_DIR", str(shared_cache))
    daemon.load()
    made: list[DockerWorld] = []

    def make(**job: Any) -> DockerWorld:
        made.append(DockerWorld(tmp_path / f"w{len(made)}", shared_cache, daemon, **job))
        monkeypatch.setenv("TRAINING_STATE_DIR", str(made[-1].state_dir))
        return made[-1]

    yield make
    for world in made:
        world.close()


def cells() -> list[object]:
    return [
        pytest.param(
            phase, who, id=f"docker, {who} killed, {phase}", marks=pytest.mark.fault(who.partition(" ")[0])
        )
        for phase, victims in CELLS.items()
        for who in victims
    ]


@pytest.mark.parametrize(("phase", "who"), cells())
def test_killed(phase: str, who: str, make_docker_world: Make) -> None:
    world = make_docker_world()
    if phase == "environment building":
        world.job["environment"]["refresh"] = "anew"
    if phase == "finalizing":
        world.job["environmentVariables"]["FILES"] = "1500"
    plugin = world.start_up(pause=phase)
    world.reach(phase)
    world.kill(who)
    if phase == "running" and who in ENDS:
        outcome = world.until(lambda: world.document().outcome, "the end of the attempt")  # type: ignore[union-attr]
        assert outcome.reason is ENDS[who], outcome
        if who.startswith("node"):
            assert outcome.node == int(who[-1]) and world.container(outcome.node) in outcome.message
    world.release()
    world.answer(plugin)
    verdict(world)
    record = world.record()
    assert record is not None
    attempts = len(record.attempts())
    if phase == "running":
        assert attempts == (1 if who in ("plugin", "supervisor") else 2)
    elif (phase, who) == ("starting", "everything"):
        assert attempts in (1, 2)
    else:
        assert attempts == 1, "nothing was lost that called for another attempt"


@pytest.mark.fault("plugin, while it submits")
@pytest.mark.parametrize("seconds", MOMENTS, ids=lambda s: f"docker, plugin killed {s} s into the submission")
def test_plugin_killed_while_it_submits(seconds: float, make_docker_world: Make) -> None:
    """The plugin submits itself while the supervisor loads, which goes on from whatever step that had reached."""
    before = make_docker_world()
    before.release()
    assert before.up()["outcome"]["reason"] == "Completed"  # the image is there from now on
    world = make_docker_world()
    world.release()
    plugin = world.start_up()
    world.until(lambda: MARK.read(world.folder()), "the first request")
    time.sleep(seconds)
    world.kill("plugin")
    world.answer(plugin)
    world.until(lambda: (found := world.document()) is not None and found.outcome, "an end without a plugin")
    verdict(world)
    record = world.record()
    assert record is not None and len(record.attempts()) == 1


def test_docker_daemon_killed_with_live_restore(make_docker_world: Make, daemon: Daemon) -> None:
    world = make_docker_world()
    plugin = world.start_up()
    world.reach("running")
    daemon.kill()
    try:
        world.until(lambda: world.document().status is Status.NOT_RESPONDING, "silence")  # type: ignore[union-attr]
    finally:
        daemon.start()
    world.release()
    answer = world.answer(plugin)
    assert answer is not None and answer["attempt"] == 1 and answer["outcome"]["reason"] == "Completed", (
        answer
    )
    verdict(world)


def test_docker_daemon_killed_without_live_restore(make_docker_world: Make, daemon: Daemon) -> None:
    with restarted(daemon, live_restore=False):
        world = make_docker_world()
        plugin = world.start_up()
        world.reach("running")
        daemon.kill()
        daemon.start(live_restore=False)
        answer = world.answer(plugin)
        assert answer is not None and answer["outcome"]["reason"] == "NodeLost", answer
        world.release()
        verdict(world)


def test_docker_daemon_and_everything_of_ours_killed(make_docker_world: Make, daemon: Daemon) -> None:
    world = make_docker_world()
    world.start_up()
    world.reach("running")
    daemon.kill()
    world.kill("everything")
    daemon.start()
    world.release()
    verdict(world)


def test_docker_network_of_a_node_cut_is_a_stall(make_docker_world: Make) -> None:
    world = make_docker_world(stallTimeoutSeconds=5, gracePeriodSeconds=0)
    plugin = world.start_up()
    world.reach("running")
    with world.client() as client:
        node = world.container(1)
        client.api.disconnect_container_from_network(node, node.removesuffix("-1"), force=True)
    answer = world.answer(plugin)
    assert answer is not None and answer["outcome"]["reason"] == "Stalled", answer
    world.job["stallTimeoutSeconds"] = None
    world.release()
    verdict(world)


def test_docker_swept_while_it_runs_and_afterwards(make_docker_world: Make) -> None:
    world = make_docker_world()
    plugin = world.start_up()
    world.reach("running")
    prune(world)
    world.release()
    answer = world.answer(plugin)
    assert answer is not None and answer["outcome"]["reason"] == "Completed", answer
    prune(world)
    with world.client() as client:
        assert client.images.list() == [], "the image is gone too"
    again = world.up()
    assert (again["attempt"], again["outcome"]["reason"]) == (1, "Completed")
    verdict(world)


def test_docker_image_deleted_under_a_finished_run(make_docker_world: Make) -> None:
    world = make_docker_world(ranks=1)
    world.release()
    assert world.up()["outcome"]["reason"] == "Completed"
    with world.client() as client:
        for image in client.images.list():
            client.images.remove(image.id, force=True)
    assert world.up()["attempt"] == 1
    verdict(world)


def test_docker_disk_full_while_the_script_writes(make_docker_world: Make, daemon: Daemon) -> None:
    world = make_docker_world(ranks=1)
    world.write_script(
        SCRIPT
        + """
if not os.path.exists(f"{proof}/space"):
    print("now", flush=True)
    with open("outputs/big.bin", "wb", buffering=0) as big:
        while True:
            big.write(bytes(65536))
open(f"outputs/late-{rank}.txt", "w").write(attempt)
"""
    )
    with tight(daemon):
        answer = world.up("one")
    assert answer["outcome"]["reason"] == "ScriptFailed", answer
    (world.proof / "space").touch()
    verdict(world)


def test_docker_disk_full_from_the_start(make_docker_world: Make, daemon: Daemon) -> None:
    world = make_docker_world(ranks=1)
    world.release()
    ballast = daemon.folder / "ballast"
    with tight(daemon):
        with ballast.open("wb", buffering=0) as stream:
            try:
                while True:
                    stream.write(bytes(65536))
            except OSError:
                pass
        answer = world.up("one")
    assert "no space left on device" in str(answer).lower(), answer
    ballast.unlink()
    verdict(world)


@pytest.mark.timeout(700)
def test_docker_record_full_while_outputs_come(make_docker_world: Make, tmp_path: Path) -> None:
    world = make_docker_world(ranks=1)
    world.patience = 400.0  # it waits a minute for room, and three more drivers have a look
    place = tmp_path / "small"
    place.mkdir()
    call("mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place))
    try:
        world.job["compute"]["store"] = str(place / "store")
        world.write_script(
            SCRIPT
            + "\nopen('outputs/big.bin', 'wb').write(b'x' * (8 << 20))\nopen(f'outputs/late-{rank}.txt', 'w').write(attempt)\n"
        )
        answer = world.up("one")
        assert "error" in answer or answer["outcome"]["reason"] == "CollectFailed", answer
        told = str(answer)
        assert "the disk is full; free some space" in told and str(place) in told, told
        assert "does not answer" not in told and "Traceback" not in told, told
        call("mount", "-o", "remount,size=64m", str(place))
        verdict(world)
        assert (world.folder() / "outputs" / "big.bin").stat().st_size == 8 << 20
        record = world.record()
        assert record is not None and record.attempts() == [1] and len(world.journal()) == 1
    finally:
        call("umount", "--lazy", str(place))


def test_docker_asked_for_after_a_crash_while_it_runs_on_this_machine(make_docker_world: Make) -> None:
    world = make_docker_world()
    in_containers = dict(world.job)
    del world.job["environment"], world.job["outputs"]
    world.job["compute"] = {**in_containers["compute"], "target": "local", "settings": {}}
    world.job["environmentVariables"] = {"PROOF": str(world.proof)}
    plugin = world.start_up()
    world.reach("running")
    world.kill("plugin")
    world.answer(plugin)
    world.job = in_containers
    second = world.start_up("two")
    world.until(lambda: len(world.journal()) == 2 * world.ranks, "the start in containers")
    record = world.record()
    assert record is not None
    first, moved = (record.attempt(number).document() for number in (1, 2))
    assert (first.target, first.status) == ("local", Status.CANCELED)
    assert (moved.target, moved.status) == ("docker", Status.RUNNING)
    world.release()
    world.answer(second, "two")
    verdict(world)


def verdict(world: DockerWorld) -> None:
    """The right end at the next `up`, no twin, nothing lost, and nothing of ours anywhere after `destroy`."""
    world.bring_to_its_end()
    world.check()
    world.delete()


def prune(world: DockerWorld) -> None:
    """The sweep of somebody who needs room."""
    done = subprocess.run(
        ["docker", "--host", world.daemon.host, "system", "prune", "-af", "--volumes"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@contextmanager
def restarted(daemon: Daemon, *, live_restore: bool) -> Iterator[None]:
    """The daemon with another setting, as long as it is needed."""
    daemon.kill(15)
    daemon.start(live_restore=live_restore)
    yield
    daemon.kill(15)
    daemon.start()


@contextmanager
def tight(daemon: Daemon) -> Iterator[None]:
    """A daemon whose disk is nearly full."""
    disk = daemon.folder.parent
    call("mount", "-o", f"remount,size={shutil.disk_usage(disk).used + TIGHT}", str(disk))
    try:
        yield
    finally:
        call("mount", "-o", f"remount,{ROOMY}", str(disk))
