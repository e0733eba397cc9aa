"""kill -9 of each process at each phase: the next `up` reaches the right end, and nothing is lost, doubled or left."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from world import World

pytestmark = [pytest.mark.alone, pytest.mark.mpi, pytest.mark.timeout(300)]

PHASES = {
    "intent written": ("plugin", "everything"),
    "environment building": ("plugin", "supervisor", "everything"),
    "queued": ("plugin", "supervisor", "everything"),
    "starting": ("plugin", "supervisor", "agent", "mpirun", "everything"),
    "running": ("plugin", "supervisor", "agent", "mpirun", "wrapper", "rank", "everything"),
    "finalizing": ("plugin", "supervisor", "everything"),
    "collecting": ("plugin", "supervisor", "everything"),
    "state being written": ("plugin",),
}
SECOND_ATTEMPT = {"agent", "mpirun", "wrapper", "rank", "everything"}
"""Whose death while ranks run, or are being started, ends the attempt."""


def cells() -> list[object]:
    return [
        pytest.param(phase, who, id=f"{who} killed, {phase}", marks=pytest.mark.fault(who))
        for phase, victims in PHASES.items()
        for who in victims
    ]


@pytest.mark.parametrize(("phase", "who"), cells())
def test_killed(phase: str, who: str, make_world: Callable[..., World]) -> None:
    world = make_world()
    world.prepare(phase)
    plugin = world.start_up(pause=phase)
    world.reach(phase)
    world.kill(who)
    if phase == "running" and who == "mpirun":
        # Ranks that were let go now could end well before anybody noticed; that would be a true end too.
        world.until((world.folder(1) / "launch" / "end.json").exists, "the end of the launch")
    world.release()
    world.answer(plugin)
    world.bring_to_its_end()
    world.check()
    record = world.record()
    assert record is not None
    attempts = len(record.attempts())
    if phase == "running":
        assert attempts == (2 if who in SECOND_ATTEMPT else 1)
    elif phase == "starting" and who in SECOND_ATTEMPT:
        assert attempts in (1, 2)
    else:
        assert attempts == 1, "nothing was lost that called for another attempt"
