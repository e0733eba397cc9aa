"""Who holds a lock: a process, told apart from every other of this and other machines."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from ..spec.document import fields_of


@dataclass(frozen=True)
class Holder:
    """A process that holds a lock. Times are seconds since 1970 (UTC), for people: nothing hangs on them.

    `birth` is the kernel's own mark of the process's start, so that a pid used again is another process;
    `pid_space` names the container's pid numbering; `beats` counts up while the holder lives.
    """

    host: str
    boot_id: str
    pid: int
    started_at: float = 0.0
    beat_at: float = 0.0
    beats: int = 0
    token: str = ""
    birth: str = ""
    pid_space: str = ""

    @staticmethod
    def unknown() -> Holder:
        """A holder that has not yet said who it is."""
        return Holder(host="", boot_id="", pid=0)

    @classmethod
    def from_json(cls, document: Mapping[str, object], where: str = "driver.json") -> Holder:
        """Reads what `to_json` wrote. Raises `DamagedDocument`."""
        return cls(**fields_of(cls, document, where))

    def to_json(self) -> dict[str, Any]:
        """A JSON object of every field."""
        return asdict(self)

    def next_beat(self) -> Holder:
        """This holder, one beat later."""
        return replace(self, beats=self.beats + 1, beat_at=time.time())

    def is_running_here(self) -> bool:
        """Whether the process runs, asked on its own machine and in its own pid space."""
        return bool(self.birth) and birth_of(self.pid) == self.birth

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}" if self.pid else "a process that has not said who it is"


def this_process(*, token: str = "") -> Holder:
    """The calling process as a holder."""
    now = time.time()
    pid = os.getpid()
    return Holder(os.uname().nodename, boot_id(), pid, now, now, 0, token, birth_of(pid) or "", _pid_space())


@cache
def boot_id() -> str:
    """The mark of this boot of this kernel; containers of one machine share it. Empty where there is none."""
    if sys.platform == "darwin":
        import subprocess

        return subprocess.run(
            ["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"], capture_output=True, text=True
        ).stdout.strip()
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""


def birth_of(pid: int) -> str | None:
    """The kernel's mark of when process `pid` started; None if there is none, or it is a zombie."""
    if sys.platform == "darwin":
        import psutil

        try:
            process = psutil.Process(pid)
            return None if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.3f}"
        except psutil.Error:
            return None
    try:
        # The name in parentheses may hold anything, so the fields are counted from its end.
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def _pid_space() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""
