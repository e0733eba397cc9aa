"""Daemons that are reached by TCP with certificates, and by ssh: a job runs through each to its end."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest
from docker_place import DockerPlace
from own_daemon import call, own_daemon
from services import missing

from pulumi_training.spec.errors import SpecError, TransientError
from pulumi_training.spec.outcome import Reason

pytestmark = [
    pytest.mark.docker,
    pytest.mark.mpi,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.parametrize("place", ["docker"], indirect=True),
]
SCRIPT = (
    "import os, time\nprint('rank', os.environ['RANK'], flush=True)\ntime.sleep(1)\n"
    "open('outputs/' + os.environ['RANK'], 'w').write('x' * 300000)\n"
)


@dataclass
class Far:
    """One daemon, and every way to it."""

    client: docker.DockerClient
    folder: Path
    certificates: Path
    tcp: str
    ssh: str


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def make_certificates(folder: Path) -> None:
    """An authority of our own, with a server's and a client's certificate."""
    folder.mkdir()

    def sign(name: str, subject: str, extension: str) -> None:
        call("openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", subject,
             "-keyout", str(folder / f"{name}-key.pem"), "-out", str(folder / f"{name}.csr"))  # fmt: skip
        (folder / f"{name}.ext").write_text(extension)
        call("openssl", "x509", "-req", "-days", "2", "-in", str(folder / f"{name}.csr"),
             "-CA", str(folder / "ca.pem"), "-CAkey", str(folder / "ca-key.pem"), "-CAcreateserial",
             "-extfile", str(folder / f"{name}.ext"), "-out", str(folder / f"{name}-cert.pem"))  # fmt: skip

    call("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=tests",
         "-keyout", str(folder / "ca-key.pem"), "-out", str(folder / "ca.pem"))  # fmt: skip
    sign("server", "/CN=127.0.0.1", "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth\n")
    sign("client", "/CN=client", "extendedKeyUsage=clientAuth\n")
    (folder / "client-cert.pem").rename(folder / "cert.pem")
    (folder / "client-key.pem").rename(folder / "key.pem")


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Far]:
    sshd = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    absent = [
        n
        for n, p in (("openssl", shutil.which("openssl")), ("ssh", shutil.which("ssh")), ("sshd", sshd))
        if not p
    ]
    if absent:
        missing("docker", f"not installed: {', '.join(absent)}")
    folder = tmp_path_factory.mktemp("far")
    certificates = folder / "certificates"
    make_certificates(certificates)
    tcp = f"tcp://127.0.0.1:{free_port()}"
    with own_daemon(3) as found:
        found.options = [
            "--host", tcp, "--tlsverify", "--tlscacert", str(certificates / "ca.pem"),
            "--tlscert", str(certificates / "server-cert.pem"), "--tlskey", str(certificates / "server-key.pem"),
        ]  # fmt: skip
        found.start()
        found.load()
        port = free_port()
        server = serve_ssh(str(sshd), folder, port, found.host)
        try:
            yield Far(
                found.client(), folder, certificates, tcp, f"ssh://{getpass.getuser()}@127.0.0.1:{port}"
            )
        finally:
            server.terminate()
            server.wait(30)


def serve_ssh(sshd: str, folder: Path, port: int, host: str) -> subprocess.Popen[bytes]:
    """An sshd with a key of its own, whose sessions ask the daemon at `host`; `folder`/bin/ssh is the client for it."""
    for name in ("host-key", "user-key"):
        call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name))
    (folder / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host-key\nPidFile none\nStrictModes no\n"
        f"AuthorizedKeysFile {folder}/user-key.pub\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n"
        f"UsePAM no\nSetEnv DOCKER_HOST={host}\n"
    )
    (folder / "known").write_text(f"[127.0.0.1]:{port} {(folder / 'host-key.pub').read_text()}")
    # Its settings are found at home, and not by HOME: what a user writes into ~/.ssh/config is given here.
    (folder / "bin").mkdir()
    (folder / "bin" / "ssh").write_text(
        f'#!/bin/sh\nexec {shutil.which("ssh")} -F none -i "${{TEST_KEY:-{folder}/user-key}}" -o IdentitiesOnly=yes '
        f'-o UserKnownHostsFile={folder}/known "$@"\n'
    )
    (folder / "bin" / "ssh").chmod(0o755)
    Path("/run/sshd").mkdir(exist_ok=True)
    with (folder / "sshd.log").open("wb") as log:
        process = subprocess.Popen([sshd, "-D", "-e", "-f", str(folder / "config")], stdout=log, stderr=log)
    end = time.monotonic() + 30
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return process
        assert process.poll() is None and time.monotonic() < end, (folder / "sshd.log").read_text()
        time.sleep(0.05)


@pytest.fixture
def far(place: DockerPlace, daemon: Far, monkeypatch: pytest.MonkeyPatch) -> Iterator[DockerPlace]:
    """The place, at the far daemon."""
    near, place.client = place.client, daemon.client
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    monkeypatch.setenv("PATH", f"{daemon.folder / 'bin'}:{os.environ['PATH']}")
    yield place
    for started in place.started:
        place.target.cancel(started.compute, started.handle, 0.0)
        place.target.remove(started.compute, started.handle)
        place.target.leave(started.run)  # type: ignore[attr-defined]
        assert place.objects(started) == []
    place.started.clear()
    place.client = near


@pytest.mark.parametrize("way", ["tls", "ssh"])
def test_a_job_runs_through(far: DockerPlace, daemon: Far, way: str) -> None:
    far.settings = (
        {"dockerHost": daemon.ssh}
        if way == "ssh"
        else {"dockerHost": daemon.tcp, "tls": str(daemon.certificates)}
    )
    started = far.start(SCRIPT).until_printed("rank", 4)
    assert started.outcome().reason is Reason.COMPLETED, started.log()
    outputs = started.collect() / "outputs"
    assert sorted(path.name for path in outputs.iterdir()) == ["0", "1", "2", "3"]
    assert {path.stat().st_size for path in outputs.iterdir()} == {300000}
    assert far.objects(started) == []
    assert not children_by_ssh(), "no connection is left"


@pytest.mark.parametrize("way", ["tls", "ssh"])
def test_a_run_is_canceled_through(far: DockerPlace, daemon: Far, way: str) -> None:
    far.settings = (
        {"dockerHost": daemon.ssh}
        if way == "ssh"
        else {"dockerHost": daemon.tcp, "tls": str(daemon.certificates)}
    )
    started = far.start("import time\nprint('ready', flush=True)\ntime.sleep(300)\n").until_printed(
        "ready", 4
    )
    far.target.cancel(started.compute, started.handle, 1.0)
    assert far.left(started) == []


def test_a_stranger_is_told_what_ssh_says(
    far: DockerPlace, daemon: Far, monkeypatch: pytest.MonkeyPatch
) -> None:
    far.settings = {"dockerHost": daemon.ssh}
    call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(far.root / "other-key"))
    monkeypatch.setenv("TEST_KEY", str(far.root / "other-key"))
    with pytest.raises(TransientError, match="Permission denied"):
        far.plan(far.run("pass"))


def test_without_certificates_tls_is_refused(far: DockerPlace, daemon: Far) -> None:
    far.settings = {"dockerHost": daemon.tcp, "tls": str(far.root)}
    with pytest.raises(SpecError, match=r"has no ca\.pem, cert\.pem, key\.pem"):
        far.plan(far.run("pass"))
    far.settings = {"dockerHost": daemon.tcp}
    with pytest.raises(TransientError, match="does not answer"):
        far.plan(far.run("pass"))


def children_by_ssh() -> list[str]:
    """What this process left of ssh."""
    done = subprocess.run(
        ["ps", "--ppid", str(os.getpid()), "-o", "stat=,args="], capture_output=True, text=True
    )
    return [line for line in done.stdout.splitlines() if "dial-stdio" in line and not line.startswith("Z")]
