"""kill -9 of Pulumi's own engine, alone and with everything else, at each phase of a run that `pulumi up` started."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from engine_world import EngineWorld
from sandbox import find_engine, make_sandbox

pytestmark = [pytest.mark.alone, pytest.mark.engine, pytest.mark.mpi, pytest.mark.timeout(300)]

PHASES = {
    "intent written": 1,
    "environment building": 1,
    "queued": 1,
    "starting": 2,
    "running": 2,
    "finalizing": 1,
    "collecting": 1,
    "state being written": 1,
}
"""The attempts that it takes at most where everything is killed; the engine's death alone never costs one."""


def cells() -> list[object]:
    return [
        pytest.param(who, phase, id=f"{who} killed under pulumi up, {phase}", marks=pytest.mark.fault(who))
        for who in ("engine", "everything")
        for phase in PHASES
    ]


@pytest.fixture
def world(tmp_path: Path, shared_cache: Path, required_engine: None) -> Iterator[EngineWorld]:
    engine = find_engine()
    assert engine is not None
    made = EngineWorld(make_sandbox(tmp_path, engine), shared_cache)
    yield made
    made.close()


@pytest.mark.parametrize(("who", "phase"), cells())
def test_killed_under_pulumi(who: str, phase: str, world: EngineWorld) -> None:
    world.prepare(phase)
    up = world.start_up()
    world.reach(phase)
    world.kill(who)
    world.release()
    world.answer(up)
    answered = world.up("after")
    assert answered["code"] == 0, world.story()
    world.bring_to_its_end(ups=2)
    world.check()
    record = world.record()
    assert record is not None
    attempts = len(record.attempts())
    assert attempts <= (PHASES[phase] if who == "everything" else 1), world.story()
    if (who, phase) == ("everything", "running"):
        assert attempts == 2, "ranks that were killed cannot have ended well"
    assert "Traceback" not in world.said("after")
    # The state is whole again: it knows the run, and nothing is left to do.
    assert "unchanged" in world.project.up(**world.place).succeeded().text
    world.project.destroy(**world.place).succeeded()
