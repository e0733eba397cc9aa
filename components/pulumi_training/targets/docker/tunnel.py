"""A daemon reached by ssh: a socket of this machine, behind which every connection is an ssh to the daemon's."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from ...spec.errors import PermanentError, Problem, SpecError
from ...spec.outcome import Reason

_REMOTE = "docker system dial-stdio"
"""What Docker's own command line runs at the other end; it needs the docker command there."""
_WORDS = 2000


class Tunnel:
    """Listens on `address` until it is closed.

    The Docker SDK's own ssh wants paramiko, or cannot stream; this needs the ssh client and nothing else, which
    brings the user's configuration, keys, agent and known hosts along. It never asks: `BatchMode`.
    """

    def __init__(self, url: str) -> None:
        """Opens it; nothing is connected yet.

        Raises:
            SpecError: the address cannot be read.
            PermanentError: there is no ssh client.
        """
        self._line = ssh_line(url)
        self._folder = Path(tempfile.mkdtemp(prefix="training-ssh-"))
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(self._folder / "s"))
        self._server.listen(16)
        self._trouble = ""
        self._children: list[subprocess.Popen[bytes]] = []
        self.address = f"unix://{self._folder / 's'}"
        threading.Thread(target=self._serve, name="docker-ssh", daemon=True).start()

    def words(self) -> str:
        """What ssh said, the end of it; empty where it had nothing to complain of."""
        try:
            said = (self._folder / "err").read_bytes()[-_WORDS:].decode("utf-8", "replace").strip()
        except FileNotFoundError:
            said = ""
        return said or self._trouble

    def close(self) -> None:
        """Ends every connection; returns when their processes have ended."""
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for child in self._children:
            child.kill()
            child.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            # ssh has the connection itself as its input and output: nothing of ours lies between.
            try:
                with connection, (self._folder / "err").open("ab") as errors:
                    child = subprocess.Popen(
                        self._line,
                        stdin=connection.fileno(),
                        stdout=connection.fileno(),
                        stderr=errors,
                        start_new_session=True,
                    )
            except OSError as error:  # whoever connected sees the connection closed, and asks for the words
                self._trouble = str(error)
                continue
            self._children = [*(known for known in self._children if known.poll() is None), child]


def ssh_line(url: str) -> list[str]:
    """The command for one connection to the daemon of `ssh://[user@]host[:port]`.

    Raises:
        SpecError: the address cannot be read.
        PermanentError: there is no ssh client.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or host.startswith("-") or (parts.username or "").startswith("-") or parts.path.strip("/"):
        raise SpecError(
            Problem(
                "compute.settings.dockerHost",
                f"{url} cannot be read; write ssh://user@host or ssh://user@host:22",
            )
        )
    program = shutil.which("ssh")
    if program is None:
        raise PermanentError(
            Reason.TARGET_UNAVAILABLE,
            f"{url} needs the ssh client; install OpenSSH (apt-get install openssh-client)",
        )
    words = [program, "-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=30"]
    words += ["-p", str(port)] if port else []
    words += ["-l", parts.username] if parts.username else []
    return [*words, "--", host, _REMOTE]
