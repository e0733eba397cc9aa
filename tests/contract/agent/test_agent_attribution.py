"""From a real end to its reason: the agent's facts, read as the local target reads them."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from pulumi_training.spec.attribution import attribute
from pulumi_training.spec.outcome import Outcome, Reason
from pulumi_training.targets.contract.handle import Handle
from pulumi_training.targets.local.observe import observe

pytestmark = pytest.mark.mpi

Make = Callable[..., Any]
MPI = "from mpi4py import MPI\nimport time\ncomm = MPI.COMM_WORLD\nprint('ready', flush=True)\n"
ROUNDS = MPI + "while True:\n    comm.Barrier()\n    time.sleep(0.01)\n"


def told(run: Any) -> Outcome:
    seen = observe(Handle("local", "run", 1, str(run.folder)))
    return attribute(seen.launch, seen.ranks)


def test_an_exception(launch: Make) -> None:
    outcome = told(launch(MPI + "if comm.rank == 2:\n    raise ValueError('no layer')\ncomm.Barrier()").run())
    assert (outcome.reason, outcome.rank, outcome.node) == (Reason.SCRIPT_FAILED, 2, 1)
    assert "ValueError: no layer" in outcome.message and "ready" in outcome.log_tail


def test_mpi_abort(launch: Make) -> None:
    outcome = told(launch(MPI + "if comm.rank == 2:\n    comm.Abort(5)\ncomm.Barrier()").run())
    assert (outcome.reason, outcome.rank) == (Reason.SCRIPT_FAILED, 2)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_an_ended_launcher(launch: Make, number: signal.Signals) -> None:
    run = launch(ROUNDS).start().until_ready()
    os.kill(json.loads((run.folder / "launch/run.json").read_text())["launcher_pid"], number)
    run.wait()
    outcome = told(run)
    assert outcome.reason is Reason.LAUNCH_FAILED and "while its ranks ran" in outcome.message


@pytest.mark.parametrize(
    ("ranks", "reason", "place"),
    [((1,), Reason.RANK_SIGNALED, "rank 1 on node 0"), ((2, 3), Reason.NODE_LOST, "node 1")],
)
def test_killed_wrappers(launch: Make, ranks: tuple[int, ...], reason: Reason, place: str) -> None:
    run = launch(ROUNDS).start().until_ready()
    for pid in [run.pid(rank, "pid") for rank in ranks]:
        os.kill(pid, signal.SIGKILL)
    run.wait()
    outcome = told(run)
    assert outcome.reason is reason and outcome.message.startswith(place)


@pytest.mark.parametrize("what", ["launcher", "script", "agent"])
def test_a_program_that_is_not_there(launch: Make, what: str) -> None:
    run = launch("")
    request = json.loads(run.request.read_text())
    request[what][0] = "/nowhere/program"
    run.request.write_text(json.dumps(request))
    run.run()
    outcome = told(run)
    assert outcome.reason is Reason.LAUNCH_FAILED
    assert "/nowhere/program" in outcome.message + outcome.log_tail
