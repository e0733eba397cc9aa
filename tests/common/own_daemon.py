"""A Docker daemon of the tests' own, beside the one of DOCKER_HOST, with a bridge and a data root of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
from services import missing

ROOT = Path(__file__).parents[2]
BASE = os.environ.get("TRAINING_TEST_IMAGE", "training-base:bookworm")
"""An image with Python; tools/docker-base makes it at the daemon of DOCKER_HOST."""


class Daemon:
    """A daemon that may be killed, started again, and told to listen wherever a test wants it to.

    `options` are given to dockerd at every start; `host` is where `client` asks.
    """

    def __init__(self, folder: Path, bridge: str) -> None:
        self.folder = folder
        self.host = f"unix://{folder / 'docker.sock'}"
        self.options: list[str] = []
        self._bridge = bridge

    def start(self, *, live_restore: bool = True) -> None:
        """Starts it and waits until it answers."""
        words = [f"--bridge={self._bridge}", *self.options, *(["--live-restore"] if live_restore else [])]
        call("tools/docker-daemon", "start", str(self.folder), *words)

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Sends it a signal and waits for its end."""
        pid = int((self.folder / "pid").read_text())
        inner = self.folder / "exec" / "containerd" / "containerd.pid"
        below = int(inner.read_text())
        os.kill(pid, number)
        _until(lambda: _has_ended(pid), "the daemon's end")
        # Its containerd goes with it. The next daemon would trust this file, and wait for a socket of the dead,
        # where the process is still going or nobody has reaped it.
        _until(lambda: _has_ended(below), "the end of its containerd")
        inner.unlink(missing_ok=True)

    def client(self) -> docker.DockerClient:
        """A client, without anything of this machine's settings."""
        return docker.DockerClient(self.host)

    def load(self) -> None:
        """Brings the base image, where it is not there, from the daemon of DOCKER_HOST."""
        far = self.client()
        if not far.images.list(BASE):
            near = docker.from_env()
            far.images.load(near.images.get(BASE).save(named=True))
            near.close()
        far.close()


@contextmanager
def own_daemon(number: int, *, disk: str = "") -> Iterator[Daemon]:
    """A daemon that was not started yet, removed with all it has at the end; `number` tells apart those of a session.

    With `disk`, the options of a tmpfs, it has a disk of its own: the folder above its own.

    Skips where it cannot be, and fails where docker is required.
    """
    reason = _missing()
    if reason:
        missing("docker", reason)
    place = Path("/tmp") / f"own-{os.getpid()}-{number}"  # short: the daemon puts Unix sockets there
    folder = place / "d"
    folder.mkdir(parents=True)
    bridge = f"tr{os.getpid()}n{number}"
    net = f"10.{100 + os.getpid() % 100}.{16 * number}"
    call("ip", "link", "add", "name", bridge, "type", "bridge")
    if disk:
        call("mount", "-t", "tmpfs", "-o", disk, "tmpfs", str(place))
    try:
        call("ip", "addr", "add", f"{net}.1/24", "dev", bridge)
        call("ip", "link", "set", bridge, "up")
        yield Daemon(folder, bridge)
    finally:
        call("tools/docker-daemon", "remove", str(folder))
        call("ip", "link", "delete", bridge)
        if disk:
            call("umount", "--lazy", str(place))
        shutil.rmtree(place)


def call(*words: str, **options: Any) -> str:
    """What a program says; an AssertionError with its errors where it fails."""
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=180, **options)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


def _missing() -> str:
    if os.geteuid() != 0 or not shutil.which("dockerd") or not shutil.which("ip"):
        return "a daemon of the tests' own needs root, dockerd and ip"
    try:
        near = docker.from_env()
        if not near.images.list(BASE):
            return f"the Docker daemon has no image {BASE}; tools/docker-base makes it"
        near.close()
    except docker.errors.DockerException as error:
        return f"no Docker daemon answers, to bring {BASE} from: {error}"
    return ""


def _has_ended(pid: int) -> bool:
    """Whether a process is gone, or a zombie that nobody reaped."""
    try:
        return ") Z" in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def _until(what: Callable[[], bool], words: str, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, f"did not come within {seconds:g} s: {words}"
        time.sleep(0.02)
