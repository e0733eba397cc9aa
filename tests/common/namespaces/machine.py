"""The nodes in the folder of a backend: made, started, entered, ended. What is known of one is in its folder, and its process."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

_INIT = Path(__file__).with_name("node_init.py")
_NETWORK = "10.213.9"


def why_not() -> str:
    """Why there can be no nodes here, or nothing."""
    if not sys.platform.startswith("linux"):
        return "needs Linux"
    missing = [name for name in ("ip", "unshare", "nsenter") if shutil.which(name) is None]
    if missing:
        return f"needs {', '.join(missing)}"
    line = [
        "unshare",
        "--mount",
        "--pid",
        "--uts",
        "--net",
        "--fork",
        "mount",
        "-t",
        "tmpfs",
        "tmpfs",
        "/mnt",
    ]
    done = subprocess.run(line, capture_output=True, text=True)
    return "" if done.returncode == 0 else f"namespaces are not allowed here: {done.stderr.strip()}"


@dataclass
class Running:
    """A node's process: `unshare`, whose only child is the first process of the node."""

    process: subprocess.Popen[bytes]
    ended_at: float | None = None

    def is_over(self) -> bool:
        if self.process.poll() is None:
            return False
        self.ended_at = self.ended_at or time.time()
        return True

    @property
    def first(self) -> int | None:
        """The pid of the node's first process, as this machine sees it."""
        with suppress(psutil.Error):
            children = psutil.Process(self.process.pid).children()
            return children[0].pid if children and self.process.poll() is None else None
        return None


class Node:
    """A node by its folder."""

    running: dict[Path, Running] = {}
    """Those that this process started."""

    def __init__(self, place: Path) -> None:
        self.place = place

    @classmethod
    def all_in(cls, folder: Path) -> Iterator[Node]:
        return (cls(path.parent) for path in sorted(folder.glob("*/node.json")))

    @classmethod
    def create(cls, place: Path, facts: Mapping[str, Any]) -> Node:
        """Raises FileExistsError."""
        place.mkdir(parents=True)
        for name in ("disk", "root", "disk/tmp"):
            (place / name).mkdir()
        (place / "node.json").write_text(json.dumps(facts))
        return cls(place)

    @property
    def facts(self) -> dict[str, Any]:
        """What it was made with: name, number, labels, command, hostname, hosts, network."""
        facts: dict[str, Any] = json.loads((self.place / "node.json").read_text())
        return facts

    @property
    def said(self) -> Path:
        """What its first process says."""
        return self.place / "said"

    @property
    def status(self) -> str:
        found = self.running.get(self.place)
        if found is None:
            return "created"
        return "exited" if found.is_over() else "running"

    @property
    def ended_at(self) -> float | None:
        """When its end was noticed, in seconds since 1970."""
        found = self.running.get(self.place)
        return found.ended_at if found and found.is_over() else None

    @property
    def exit_code(self) -> int | None:
        found = self.running.get(self.place)
        code = found.process.poll() if found else None
        return code if code is None or code >= 0 else 128 - code

    def start(self, stdin: int) -> None:
        facts, network = self.facts, self.facts["network"]
        hosts = self.place / "hosts"
        hosts.write_text("127.0.0.1 localhost\n" + "".join(f"{a} {n}\n" for n, a in facts["hosts"].items()))
        line = [sys.executable, "-IS", str(_INIT), str(self.place / "root"), str(self.place / "disk")]
        line = ["unshare", "--mount", "--pid", "--uts", "--fork", "--kill-child", *line]
        if not network:
            line.insert(1, "--net")
        else:
            line = ["ip", "netns", "exec", f"{network}-{facts['node']}", *line]
        with self.said.open("wb") as said:
            process = subprocess.Popen(
                [*line, facts["hostname"], str(hosts), *facts["command"]],
                stdin=stdin,
                stdout=said,
                stderr=said,
                env={
                    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                    "TMPDIR": "/training/tmp",  # launchers of several nodes would meet in the machine's own
                    **facts["environment"],
                },
            )
        self.running[self.place] = Running(process)

    def entering(self, command: Sequence[str]) -> list[str] | None:
        """The line that runs a command in it; None where it does not run."""
        found = self.running.get(self.place)
        first = found.first if found else None
        if first is None:
            return None
        return ["nsenter", f"--target={first}", "-m", "-p", "-u", "-n", "-r", "-w", "--", *command]

    def kill(self) -> None:
        found = self.running.get(self.place)
        if found is not None:
            found.process.kill()  # and with it its first process, and all of its PID namespace
            found.process.wait()

    def remove(self) -> None:
        self.kill()
        self.running.pop(self.place, None)
        network = self.facts["network"]
        if network:
            name = f"{network}-{self.facts['node']}"
            subprocess.run(["ip", "netns", "del", name], capture_output=True)
        for _ in range(50):
            with suppress(OSError):  # its mounts go a moment after its processes
                shutil.rmtree(self.place)
                return
            time.sleep(0.1)
        shutil.rmtree(self.place)


def address_of(node: int) -> str:
    """A node's address in its run's network."""
    return f"{_NETWORK}.{node + 1}"


def make_network(tag: str, nodes: int) -> None:
    """A network namespace for each of two nodes, with a wire between them. Raises `subprocess.CalledProcessError`."""
    assert nodes == 2, "a wire has two ends"

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True)

    names = [f"{tag}-{node}" for node in range(nodes)]
    for name in names:
        ip("netns", "add", name)
        ip("-n", name, "link", "set", "lo", "up")
    near = ("link", "add", f"{tag}a", "netns", names[0], "type", "veth")
    ip(*near, "peer", "name", f"{tag}b", "netns", names[1])
    for node, name in enumerate(names):
        wire = f"{tag}{'ab'[node]}"
        ip("-n", name, "addr", "add", f"{address_of(node)}/24", "dev", wire)
        ip("-n", name, "link", "set", wire, "up")
