"""The fault matrix of containers: who is killed at the daemon and beside it, and what may happen to its objects."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from docker_world import DockerWorld
from world import SCRIPT

from pulumi_training.spec.outcome import Reason
from pulumi_training.targets.docker import names

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]
Make = Callable[..., DockerWorld]

PHASES = {
    "intent written": ("plugin",),
    "queued": ("supervisor",),
    "starting": ("supervisor", "everything"),
    "running": (
        "plugin",
        "supervisor",
        "rank",
        "container",
        "launcher",
        "daemon",
        "agent",
        "everything",
    ),
    "collecting": ("supervisor", "everything"),
}
QUICK = {("running", "supervisor"), ("running", "container"), ("running", "everything")}
SECOND_ATTEMPT = {"rank", "container", "launcher", "daemon", "agent", "everything"}


def cells() -> list[object]:
    return [
        pytest.param(
            phase,
            who,
            id=f"{who} killed in containers, {phase}",
            marks=() if (phase, who) in QUICK else pytest.mark.slow,
        )
        for phase, victims in PHASES.items()
        for who in victims
    ]


@pytest.mark.parametrize(("phase", "who"), cells())
def test_killed_in_containers(phase: str, who: str, make_world: Make) -> None:
    world = make_world(kind=DockerWorld)
    if phase == "queued":
        world.occupy()
    plugin = world.start_up(pause=phase)
    world.reach(phase)
    world.kill(who)
    if phase == "running" and who in SECOND_ATTEMPT:
        # Ranks that were let go now could end well before anybody noticed; that would be a true end too.
        world.until(lambda: len(world.containers()) == 0 or world.is_over(1), "the end of the attempt", 90)
    world.release()
    world.answer(plugin)
    world.bring_to_its_end()
    world.check()
    record = world.record()
    assert record is not None
    attempts = len(record.attempts())
    if phase == "running":
        assert attempts == (2 if who in SECOND_ATTEMPT else 1)
    else:
        assert attempts <= (2 if who == "everything" else 1)


@pytest.mark.slow
def test_a_node_loses_its_network(make_world: Make) -> None:
    world = make_world(kind=DockerWorld, stallTimeoutSeconds=5)
    plugin = world.start_up()
    world.reach("running")
    (network,) = world.client.api.networks(filters={"label": world.label})
    world.client.api.disconnect_container_from_network(world.containers()[1], network["Id"])
    answer = world.answer(plugin)
    assert answer is not None
    assert answer["outcome"]["reason"] in (Reason.STALLED.value, Reason.NODE_LOST.value), world.story()
    world.release()
    world.bring_to_its_end()
    world.check()


@pytest.mark.slow
def test_image_and_leftovers_are_pruned_after_the_run(make_world: Make) -> None:
    world = make_world(kind=DockerWorld)
    # An image of this run alone, so that its deletion disturbs nobody.
    world.job["environment"]["pipPackages"] = ["six==1.17.0"]
    world.release()
    first = world.up()
    assert first["outcome"]["reason"] == "Completed", world.story()
    document = world.document()
    assert document is not None and document.plan is not None
    api = world.client.api
    api.remove_image(document.plan["request"]["image"], force=True)
    # What `docker system prune --volumes` does, but for images that other tests share.
    api.prune_containers(filters={"label": names.RUN})
    api.prune_networks(filters={"label": names.RUN})
    api.prune_volumes(filters={"label": names.RUN})
    again = world.up()
    assert again == first, "a finished run is answered from its record"
    world.check()
    assert len(world.journal()) == world.ranks, "nothing was trained again"


@pytest.mark.slow
def test_the_record_has_no_room_for_what_containers_made(
    make_world: Make, small_disk: Callable[[str], Path]
) -> None:
    world = make_world(kind=DockerWorld, ranks=1)
    world.job["compute"]["store"] = str(small_disk("size=3m") / "store")
    world.write_script(
        SCRIPT
        + """
open("outputs/big.bin", "wb").write(os.urandom(6 << 20))
open(f"outputs/late-{rank}.txt", "w").write(attempt)
"""
    )
    answer = world.up()
    assert "error" in answer or answer["outcome"]["reason"] == Reason.COLLECT_FAILED.value, world.story()
    small_disk("size=64m")
    world.bring_to_its_end()
    world.check()
    assert (world.folder() / "outputs" / "big.bin").stat().st_size == 6 << 20
    assert len(world.journal()) == 1, "what was made was kept at the daemon, and nothing was trained again"
