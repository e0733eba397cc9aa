"""A daemon reached by TCP with a root of its own, and what becomes of a run when it goes away and comes back."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator

import pytest
from docker_place import DockerPlace
from own_daemon import Daemon, own_daemon
from places import Started, until

from pulumi_training.spec.errors import TransientError
from pulumi_training.spec.outcome import Reason, Status

pytestmark = [
    pytest.mark.docker,
    pytest.mark.mpi,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.parametrize("place", ["docker"], indirect=True),
]
COUNT = (
    "import time\nprint('ready', flush=True)\nfor n in range(150):\n    print('line', n, flush=True)\n    time.sleep(0.1)\n"
    "open('outputs/done', 'w').write('x')\n"
)


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    """Reached by TCP."""
    with own_daemon(1) as found:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        found.host = f"tcp://127.0.0.1:{port}"
        found.options = ["--host", found.host]
        found.start()
        found.load()
        yield found


@pytest.fixture
def far(place: DockerPlace, daemon: Daemon) -> Iterator[DockerPlace]:
    """The place, at the far daemon, without DOCKER_HOST."""
    near = place.client
    place.client = daemon.client()
    place.settings = {"dockerHost": daemon.host}
    yield place
    place.close()
    place.started.clear()
    place.client = near


def test_a_run_needs_no_file_of_the_daemons_machine(
    far: DockerPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    (far.root / "data").mkdir()
    (far.root / "data" / "x").write_text("42")
    started = far.start(
        "import os\nprint(open(os.environ['TRAINING_DATA_D'] + '/x').read())\n"
        "open('outputs/' + os.environ['RANK'], 'w').write('x')\n",
        inputs={"d": {"uri": str(far.root / "data")}},
    )
    assert started.outcome().reason is Reason.COMPLETED, started.log()
    assert started.log(3) == b"42\n"
    assert sorted(p.name for p in (started.collect() / "outputs").iterdir()) == ["0", "1", "2", "3"]


def test_a_daemon_that_comes_back_finds_its_run_alive(far: DockerPlace, daemon: Daemon) -> None:
    started = far.start(COUNT).until_printed("ready", 4)
    assert started.observe().status is Status.RUNNING
    daemon.kill(signal.SIGKILL)
    with pytest.raises(TransientError, match="does not answer"):
        until(lambda: not started.observe() and time.sleep(0.1), "silence", 20)
    daemon.start(live_restore=True)
    assert ended(started) is Reason.COMPLETED
    for rank in range(4):
        assert started.log(rank).count(b"line ") == 150
    assert (started.collect() / "outputs" / "done").read_text() == "x"


def test_a_daemon_that_ends_its_containers_loses_the_nodes(far: DockerPlace, daemon: Daemon) -> None:
    daemon.kill(signal.SIGTERM)
    daemon.start(live_restore=False)
    started = far.start(COUNT).until_printed("ready", 4)
    daemon.kill(signal.SIGTERM)
    daemon.start(live_restore=False)
    assert ended(started) is Reason.NODE_LOST
    assert b"ready" in (started.collect() / "logs" / "std" / "rank-3.log").read_bytes()


def ended(started: Started) -> Reason:
    """How it ended, asked as long as the daemon needs to come back."""

    def look() -> Reason | None:
        try:
            if not started.observe().status.is_terminal:
                return None
        except TransientError:
            return None
        return started.outcome().reason

    reason: Reason = until(look, "the end", 120)
    return reason
