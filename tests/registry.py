"""A registry that asks for a password: Debian's docker-registry, on a port that a daemon here trusts without TLS."""

from __future__ import annotations

import ctypes
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from services import missing

USER, PASSWORD = "ada", "open-sesame"


@dataclass(frozen=True)
class Registry:
    """`address` is as images name it."""

    address: str


@contextmanager
def serve(folder: Path) -> Iterator[Registry]:
    """A registry that keeps its images in a folder; skips, or fails where TRAINING_REQUIRE names docker."""
    program = shutil.which("docker-registry")
    if program is None:
        missing("docker", "docker-registry is not installed")
    (folder / "passwords").write_text(f"{USER}:{_bcrypt(PASSWORD)}\n")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "config.yml").write_text(
        "version: 0.1\nlog: {level: error}\n"
        f"storage: {{filesystem: {{rootdirectory: {folder}/data}}}}\n"
        f"http: {{addr: '127.0.0.1:{port}'}}\n"
        f"auth: {{htpasswd: {{realm: test, path: {folder}/passwords}}}}\n"
    )
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([program, "serve", str(folder / "config.yml")], stdout=log, stderr=log)
    try:
        _until(lambda: _answers(port), "the registry")
        yield Registry(f"localhost:{port}")
    finally:
        process.terminate()
        process.wait(30)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _until(what: Callable[[], bool], words: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, f"{words} does not come"
        time.sleep(0.05)


def _bcrypt(password: str) -> str:
    """The registry knows bcrypt only, and the C library has it."""
    crypt = ctypes.CDLL("libcrypt.so.1").crypt
    crypt.restype = ctypes.c_char_p
    return str(crypt(password.encode(), b"$2b$05$abcdefghijklmnopqrstuu").decode())
