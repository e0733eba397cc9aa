"""However a run ends, its facts are true and nothing of it is left running."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pulumi_training.launch.request import Limits

pytestmark = [
    pytest.mark.mpi,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc"),
]

Make = Callable[..., Any]
MPI = "from mpi4py import MPI\nimport sys, os, time\ncomm = MPI.COMM_WORLD\nprint('ready', flush=True)\n"
ROUNDS = MPI + "while True:\n    comm.Barrier()\n    time.sleep(0.01)\n"


def test_four_ranks_succeed(launch: Make) -> None:
    run = launch(MPI + "assert comm.allreduce(1) == 4\nprint(comm.rank)").run()
    assert run.code == 0
    assert run.end["ranks_succeeded"] == [0, 1, 2, 3]
    assert run.end["stopped"] is None and run.end["exit_code"] == 0
    assert [run.rank(rank)["node"] for rank in range(4)] == [0, 0, 1, 1]
    assert [run.rank(rank)["local_rank"] for rank in range(4)] == [0, 1, 0, 1]
    assert all(run.rank(rank)["success"] and run.rank(rank)["state"] == "exited" for rank in range(4))
    assert run.log(3) == b"ready\n3\n"


def test_one_rank_without_a_launcher(launch: Make) -> None:
    run = launch("print('alone')", nodes=1, per_node=1, backend=None, launcher=False).run()
    assert run.code == 0 and run.log() == b"alone\n" and run.end["ranks_succeeded"] == [0]


def test_an_exception_names_its_rank(launch: Make) -> None:
    run = launch(MPI + "if comm.rank == 2:\n    raise ValueError('no such layer')\ncomm.Barrier()").run()
    assert run.code == 1 and run.seconds < 10
    assert run.end["first_failed"] == 2
    assert run.rank(2)["exit_code"] == 1 and run.rank(2)["exception"] == "ValueError: no such layer"
    assert not run.rank(2)["stopped_by_us"]
    assert run.end["ranks_succeeded"] == []


def test_an_exit_code_ends_ranks_that_wait_in_a_collective(launch: Make) -> None:
    run = launch(MPI + "if comm.rank == 1:\n    sys.exit(7)\ncomm.Barrier()").run()
    assert run.seconds < 10
    assert run.end["first_failed"] == 1 and run.rank(1)["exit_code"] == 7


def test_a_failed_rank_ends_ranks_that_never_call_mpi(launch: Make) -> None:
    code = "import os, sys, time\nif os.environ['RANK'] == '1':\n    sys.exit(7)\ntime.sleep(60)"
    run = launch(code, backend=None).run()
    assert run.seconds < 10
    assert run.end["first_failed"] == 1 and run.end["stopped"]["why"] == "rank_failed"
    assert run.rank(0)["stopped_by_us"] and not run.rank(0)["success"]


def test_a_killed_script_is_a_signal(launch: Make) -> None:
    run = launch(ROUNDS).start().until_ready()
    os.kill(run.pid(1), signal.SIGKILL)
    run.wait()
    assert run.end["first_failed"] == 1
    assert run.rank(1)["signal"] == "SIGKILL" and run.rank(1)["exit_code"] is None
    assert not run.rank(1)["oom"]


def test_a_killed_wrapper_takes_its_script_along(launch: Make) -> None:
    run = launch(ROUNDS).start().until_ready()
    os.kill(run.pid(1, "pid"), signal.SIGKILL)
    run.wait()
    assert run.code == 1 and run.end["stopped"]["why"] == "rank_lost"
    assert run.end["first_failed"] == 1 and run.end["lost_nodes"] == []
    assert run.rank(1)["state"] == "exited" and run.rank(1)["lost"] and not run.rank(1)["success"]


def test_a_killed_group_of_ranks_is_a_lost_node(launch: Make) -> None:
    run = launch(ROUNDS).start().until_ready()
    pids = [run.pid(rank, "pid") for rank in (2, 3)]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    run.wait()
    assert run.end["lost_nodes"] == [1]
    assert run.end["first_failed"] in (2, 3), "they are killed together, and one is seen first"


def test_a_killed_launcher_ends_the_run(launch: Make) -> None:
    run = launch(ROUNDS).start().until_ready()
    os.kill(json.loads((run.folder / "launch/run.json").read_text())["launcher_pid"], signal.SIGKILL)
    run.wait()
    assert run.code == 1 and run.end["signal"] == "SIGKILL"
    assert run.end["stopped"]["why"] == "launcher_lost" and run.end["first_failed"] is None


def test_ranks_stop_themselves_when_their_owner_is_killed(launch: Make) -> None:
    run = launch(ROUNDS, limits=Limits(grace_seconds=1)).start().until_ready()
    assert run.process is not None
    run.process.kill()
    run.process.wait()
    run.until(lambda: not run.processes())
    assert not (run.folder / "launch/end.json").exists()
    assert all(run.rank(rank)["orphaned"] and not run.rank(rank)["success"] for rank in range(4))


CHECKPOINT = """
import os, signal, sys, time
def save(*_):
    time.sleep(1.0)
    open("checkpoint-" + os.environ["RANK"], "w").write("x")
    sys.exit(0)
signal.signal(signal.SIGTERM, save)
from mpi4py import MPI
print("ready", flush=True)
while True:
    time.sleep(0.05)
"""


@pytest.mark.parametrize("by", ["signal", "file"])
def test_a_cancel_gives_every_script_its_grace(launch: Make, by: str) -> None:
    run = launch(CHECKPOINT).start().until_ready()
    assert run.process is not None
    if by == "signal":
        run.process.terminate()
    else:
        (run.folder / "launch/stop.json").write_text('{"why": "cancel", "grace_seconds": 5}')
    run.wait()
    assert run.code == 1 and run.end["stopped"]["why"] == "cancel"
    assert sorted(path.name for path in (run.root / "code").glob("checkpoint-*")) == [
        f"checkpoint-{r}" for r in range(4)
    ]
    assert all(run.rank(rank)["stopped_by_us"] for rank in range(4))


def test_a_rank_that_goes_at_once_does_not_shorten_the_others_grace(launch: Make) -> None:
    code = CHECKPOINT.replace("signal.signal(", "os.environ['RANK'] == '0' or signal.signal(")
    run = launch(code).start().until_ready()
    assert run.process is not None
    run.process.terminate()
    run.wait()
    assert sorted(path.name for path in (run.root / "code").glob("checkpoint-*")) == [
        f"checkpoint-{r}" for r in (1, 2, 3)
    ]


IGNORES = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('ready', flush=True)\ntime.sleep(60)"


def test_a_script_that_ignores_sigterm_is_killed_after_its_grace(launch: Make) -> None:
    run = launch(IGNORES, limits=Limits(grace_seconds=1)).start().until_ready()
    assert run.process is not None
    run.process.terminate()
    run.wait()
    assert run.seconds < 15
    assert all(run.rank(rank)["signal"] == "SIGKILL" and run.rank(rank)["stopped_by_us"] for rank in range(4))
    assert run.rank(0)["oom"] is None


def test_a_second_sigterm_cancels_at_once(launch: Make) -> None:
    run = launch(IGNORES, limits=Limits(grace_seconds=50)).start().until_ready()
    assert run.process is not None
    run.process.terminate()
    time.sleep(0.5)
    run.process.terminate()
    run.wait(20)
    assert run.end["stopped"]["why"] == "cancel"


def test_a_stall_saves_the_stacks_of_every_rank(launch: Make) -> None:
    code = MPI + "def stuck():\n    time.sleep(100)\nif comm.rank == 0:\n    stuck()\ncomm.Barrier()"
    run = launch(code, limits=Limits(stall_seconds=2, grace_seconds=1)).run()
    assert run.end["stopped"]["why"] == "stalled"
    assert b"in stuck" in (run.folder / "logs/stacks/rank-0.txt").read_bytes()
    assert b'File "train.py", line 9 in <module>' in (run.folder / "logs/stacks/rank-1.txt").read_bytes()


def test_files_and_metrics_are_signs_of_life(launch: Make) -> None:
    code = (
        "import os, time\n"
        "for i in range(8):\n    time.sleep(0.5)\n"
        "    open(os.environ['TRAINING_METRICS'], 'a').write('{}\\n')"
    )
    run = launch(code, backend=None, limits=Limits(stall_seconds=2, grace_seconds=1)).run()
    assert run.code == 0


def test_the_time_limit_ends_a_run(launch: Make) -> None:
    run = launch(ROUNDS, limits=Limits(run_seconds=2, grace_seconds=1)).run()
    assert run.end["stopped"]["why"] == "run_timeout" and 2 <= run.seconds < 10


def test_a_launcher_that_starts_no_rank_is_noticed(launch: Make) -> None:
    run = launch("", limits=Limits(start_seconds=1))
    request = json.loads(run.request.read_text())
    request["launcher"] = ["/bin/sh", "-c", "sleep 60", "sh"]
    run.request.write_text(json.dumps(request))
    run.run()
    assert run.end["stopped"]["why"] == "start_timeout" and run.end["ranks_started"] == []


def test_a_launcher_that_says_success_is_not_believed(launch: Make) -> None:
    run = launch("")
    request = json.loads(run.request.read_text())
    request["launcher"] = ["/bin/sh", "-c", "exit 0", "sh"]
    run.request.write_text(json.dumps(request))
    run.run()
    assert run.code == 1 and run.end["exit_code"] == 0 and run.end["ranks_succeeded"] == []


@pytest.mark.parametrize("what", ["launcher", "script", "agent"])
def test_a_missing_program_is_named(launch: Make, what: str) -> None:
    run = launch("")
    request = json.loads(run.request.read_text())
    request[what][0] = "/nowhere/program"
    run.request.write_text(json.dumps(request))
    run.run()
    assert run.code == 1
    text = run.end["launcher_tail"] + json.dumps([run.rank(0) if what == "script" else ""])
    assert "/nowhere/program" in text


def test_no_grandchild_outlives_the_run(launch: Make) -> None:
    code = (
        "import subprocess\n"
        "subprocess.Popen(['sleep', '61'], start_new_session=True)\n"
        "p = subprocess.Popen(['env', '-i', '/bin/sleep', '62'], start_new_session=True)\n"
        "open('pid', 'w').write(str(p.pid))\n"
    )
    run = launch(code, nodes=1, per_node=1, backend=None).run()
    assert run.code == 0
    pid = int((run.root / "code/pid").read_text())
    assert not os.path.exists(f"/proc/{pid}")


@pytest.mark.parametrize(
    "code",
    [
        "import os, time\nos.close(0)\nos.close(1)\nos.close(2)\ntime.sleep(0.2)",
        "import os, shutil, time\ntime.sleep(1)\nif os.environ['RANK'] == '0':\n    shutil.rmtree(os.getcwd())\ntime.sleep(1)",
        "import os, time\nif os.fork():\n    os._exit(0)\nos.setsid()\ntime.sleep(60)",
    ],
    ids=["closes stdout", "deletes its cwd", "becomes a daemon"],
)
def test_odd_scripts_end_with_true_facts(launch: Make, code: str) -> None:
    run = launch(code, backend=None).run()
    assert run.code == 0 and run.end["ranks_succeeded"] == [0, 1, 2, 3]


def test_a_long_temp_path_and_no_home_do_not_matter(launch: Make) -> None:
    code = MPI + "comm.Barrier()\nprint(os.environ['TMPDIR'])"
    run = launch(code)
    long = run.root / ("t" * 120)
    long.mkdir()
    run.environment = {k: v for k, v in run.environment.items() if k != "HOME"} | {"TMPDIR": str(long)}
    run.run()
    assert run.code == 0 and str(long).encode() in run.log()


def test_nothing_is_left_in_shared_memory_or_temp(launch: Make) -> None:
    run = launch(ROUNDS, limits=Limits(grace_seconds=1)).start().until_ready()
    temporary = next(
        word.split(b"=", 1)[1]
        for word in Path(f"/proc/{run.pid(0, 'pid')}/environ").read_bytes().split(b"\0")
        if word.startswith(b"TMPDIR=")
    ).decode()
    assert os.path.isdir(temporary)
    os.kill(json.loads((run.folder / "launch/run.json").read_text())["launcher_pid"], signal.SIGKILL)
    run.wait()
    assert not os.path.exists(temporary)


@pytest.mark.skipif(shutil.which("sh") is None, reason="no shell")
def test_a_command_runs_in_the_shell(launch: Make) -> None:
    run = launch(
        script=["/bin/sh", "-c", 'echo "$1"; exit 3', "sh", "a b"], backend=None, nodes=1, per_node=1
    ).run()
    assert run.log() == b"a b\n" and run.rank(0)["exit_code"] == 3 and run.end["first_failed"] == 0
