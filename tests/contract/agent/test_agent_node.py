"""`agent node` and `agent exec`: alone, and under a real mpirun between two network namespaces."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from services import missing

from pulumi_training.agent import channel
from pulumi_training.agent.door import GUESTS
from pulumi_training.launch.mpirun import launcher_line
from pulumi_training.launch.topology import Topology

pytestmark = [
    pytest.mark.mpi,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc"),
]

Make = Callable[..., Any]
SECRET = "a secret of this run, long enough"


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Node:
    """A running `agent node` on this machine and what is needed to talk to it."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.environment = {
            **os.environ,
            "TRAINING_AGENT_SECRET": SECRET,
            "TRAINING_AGENT_PORT": str(self.port),
            "PYTHONPATH": str(Path(channel.__file__).parents[2]),
        }
        self.argv = [sys.executable, "-m", "pulumi_training.agent"]
        self.daemon = folder / "prted"
        self.daemon.write_text(
            '#!/bin/sh\necho "[$PRTE_PREFIX]" "$@" >&2\n[ "$1" = stay ] && exec sleep 63\nexit 5\n'
        )
        self.daemon.chmod(0o755)
        self.process = subprocess.Popen([*self.argv, "node", "--bind", "127.0.0.1"], env=self.environment)
        end = time.monotonic() + 20
        while socket.socket().connect_ex(("127.0.0.1", self.port)):
            assert time.monotonic() < end
            time.sleep(0.05)

    def exec(self, line: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self.argv, "exec", "-x", "127.0.0.1", line],
            env={**self.environment, **environment},
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    running = Node(tmp_path)
    yield running
    running.process.terminate()
    assert running.process.wait(20) == 0


def test_a_daemon_is_started_and_its_exit_code_comes_back(node: Node) -> None:
    client = node.exec(f'PRTE_PREFIX=/x;export PRTE_PREFIX;{node.daemon} --flag "a;b c"')
    _, said = client.communicate(timeout=20)
    assert client.returncode == 5 and said == "[/x] --flag a;b c\n"


@pytest.mark.parametrize(
    "line",
    ["/bin/sh -c true", "touch /tmp/x; {daemon}", "{daemon} | cat", "LD_PRELOAD=/x {daemon}", "{daemon} 'x"],
)
def test_nothing_but_a_daemon_is_started(node: Node, line: str) -> None:
    client = node.exec(line.format(daemon=node.daemon))
    _, said = client.communicate(timeout=20)
    assert client.returncode == 126 and "agent node:" in said


def test_a_wrong_secret_gets_nothing(node: Node) -> None:
    client = node.exec(str(node.daemon), TRAINING_AGENT_SECRET="another secret, also long enough")
    _, said = client.communicate(timeout=20)
    assert client.returncode == 255 and "lost 127.0.0.1" in said


def test_a_recorded_proof_is_worth_nothing_on_another_connection(node: Node) -> None:
    line = channel.connect(f"127.0.0.1:{node.port}", 5)
    proof = channel.prove(SECRET, line.read_line(), {"t": "ping"})
    line.send_line(proof)
    assert line.read_line() and b"host" in line.read_line()
    again = channel.connect(f"127.0.0.1:{node.port}", 5)
    again.read_line()
    again.send_line(proof)
    with pytest.raises(channel.ChannelClosed):
        again.read_line()


def test_who_proves_nothing_costs_a_node_no_process_and_keeps_nobody_out(node: Node) -> None:
    crowd = [socket.create_connection(("127.0.0.1", node.port), 5) for _ in range(300)]
    client = node.exec(str(node.daemon))
    _, said = client.communicate(timeout=20)
    assert client.returncode == 5 and said.startswith("[]")
    children = Path(f"/proc/{node.process.pid}/task/{node.process.pid}/children").read_text().split()
    assert len(children) <= 1, "the one that served who had the secret"
    open_ones = [fd for fd in Path(f"/proc/{node.process.pid}/fd").iterdir() if "socket" in os.readlink(fd)]
    assert len(open_ones) <= GUESTS + 1, "as many as may stand at the door, and the door"
    for each in crowd:
        each.close()


def test_what_was_started_ends_when_the_client_goes_away(node: Node) -> None:
    client = node.exec(f"{node.daemon} stay")
    assert client.stderr is not None and client.stderr.readline() == "[] stay\n"
    found = subprocess.run(["pgrep", "-f", "^sleep 63$"], capture_output=True, text=True).stdout.split()
    assert found
    client.kill()
    client.wait()
    end = time.monotonic() + 10
    while any(os.path.exists(f"/proc/{pid}") for pid in found):
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_node_without_a_secret_does_not_start(node: Node) -> None:
    environment = {**node.environment, "TRAINING_AGENT_SECRET": ""}
    assert subprocess.run([*node.argv, "node", "--port", str(free_port())], env=environment).returncode == 2


# -- two machines ------------------------------------------------------------------------------------------------


def can_make_namespaces() -> str:
    if os.getuid() != 0:
        return "needs root"
    if not (shutil.which("ip") and shutil.which("unshare")):
        return "needs iproute2 and util-linux"
    name = f"tr{uuid.uuid4().hex[:6]}"
    if subprocess.run(["ip", "netns", "add", name], capture_output=True).returncode:
        return "network namespaces are not allowed here"
    subprocess.run(["ip", "netns", "del", name], check=True)
    return ""


@pytest.fixture
def machines() -> Iterator[Callable[[int, list[str]], list[str]]]:
    """Two network namespaces with a wire between them; answers argv -> argv inside machine 0 or 1."""
    why = can_make_namespaces()
    if why:
        missing("netns", why)
    tag = uuid.uuid4().hex[:6]
    names = [f"tra{tag}", f"trb{tag}"]

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True)

    try:
        for name in names:
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        ip(
            "link",
            "add",
            f"va{tag}",
            "netns",
            names[0],
            "type",
            "veth",
            "peer",
            "name",
            f"vb{tag}",
            "netns",
            names[1],
        )
        for index, name in enumerate(names):
            ip("-n", name, "addr", "add", f"10.213.7.{index + 1}/24", "dev", f"v{'ab'[index]}{tag}")
            ip("-n", name, "link", "set", f"v{'ab'[index]}{tag}", "up")
        yield lambda index, argv: [
            "ip", "netns", "exec", names[index], "unshare", "--uts",
            "sh", "-c", f'hostname machine-{"ab"[index]}; exec "$@"', "sh", *argv,
        ]  # fmt: skip
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], check=False)


HOSTS = ["10.213.7.1", "10.213.7.2"]


def two_machine_launch(launch: Make, mpi_bin: Path, code: str, **fields: Any) -> Any:
    run = launch(code, hosts=HOSTS, master_addr=HOSTS[0], **fields)
    request = json.loads(run.request.read_text())
    request["launcher"] = launcher_line(
        "openmpi5",
        str(mpi_bin / "mpirun"),
        Topology(2, 2),
        HOSTS,
        agent=request["agent"],
        single_host=False,
        as_root=True,
    )
    run.request.write_text(json.dumps(request))
    run.environment |= {"TRAINING_AGENT_SECRET": SECRET, "TRAINING_AGENT_HOST": HOSTS[0]}
    return run


@pytest.fixture
def nodes(
    machines: Callable[[int, list[str]], list[str]],
) -> Iterator[Callable[[Any], list[subprocess.Popen[bytes]]]]:
    started: list[subprocess.Popen[bytes]] = []

    def start(run: Any) -> list[subprocess.Popen[bytes]]:
        agent = run.argv[: run.argv.index("run")]
        run.argv = machines(0, run.argv)
        environment = {**os.environ, "TRAINING_AGENT_SECRET": SECRET}
        for index in (0, 1):
            argv = machines(index, [*agent, "node", "--bind", HOSTS[index]])
            started.append(subprocess.Popen(argv, env=environment))
        return started

    yield start
    for process in started:
        process.terminate()
    for process in started:
        process.wait(20)


WHERE = (
    "from mpi4py import MPI\nimport os, time\ncomm = MPI.COMM_WORLD\nprint('ready', os.uname().nodename, flush=True)\n"
    "assert comm.allreduce(1) == 4\n"
)


def test_ranks_on_two_machines_without_ssh(launch: Make, nodes: Make, mpi_bin: Path) -> None:
    run = two_machine_launch(launch, mpi_bin, WHERE)
    nodes(run)
    run.run()
    assert run.code == 0, run.end
    assert [run.rank(rank)["host"] for rank in range(4)] == ["machine-a"] * 2 + ["machine-b"] * 2


def test_a_lost_machine_is_a_lost_node(launch: Make, nodes: Make, mpi_bin: Path) -> None:
    run = two_machine_launch(launch, mpi_bin, WHERE + "while True:\n    comm.Barrier()\n    time.sleep(0.01)")
    nodes(run)
    run.start().until_ready()
    remote = [
        pid for pid in run.processes() if Path(f"/proc/{pid}/ns/uts").readlink() == uts_of(run.pid(2, "pid"))
    ]
    for pid in remote:
        os.kill(pid, signal.SIGKILL)
    run.wait()
    assert run.code == 1 and run.end["lost_nodes"] == [1]
    assert run.end["first_failed"] in (2, 3), "they are killed together, and one is seen first"


def uts_of(pid: int) -> Path:
    return Path(f"/proc/{pid}/ns/uts").readlink()


def test_a_node_that_does_not_answer_is_named(launch: Make, machines: Make, mpi_bin: Path) -> None:
    from pulumi_training.launch.request import Limits

    run = two_machine_launch(launch, mpi_bin, "", limits=Limits(start_seconds=1))
    run.argv = machines(0, run.argv)
    run.run()
    assert run.code == 1 and HOSTS[1] in run.end["launcher_tail"]
