"""Whether the kernel ended a process because memory ran out: from its log, and from the cgroup's own count."""

from __future__ import annotations

import os

from .facts import read_tail


def oom_kills() -> int | None:
    """How many processes of this cgroup the kernel has killed for memory; None where it does not say."""
    try:
        with open("/proc/self/cgroup", "rb") as stream:  # noqa: PTH123
            groups = [line.decode("utf-8", "replace").strip().split(":", 2) for line in stream]
    except OSError:
        return None
    for _, controllers, path in (group for group in groups if len(group) == 3):
        if not controllers:
            files = [f"/sys/fs/cgroup{path}/memory.events", "/sys/fs/cgroup/memory.events"]
        elif "memory" in controllers.split(","):
            root = "/sys/fs/cgroup/memory"
            files = [f"{root}{path}/memory.oom_control", f"{root}/memory.oom_control"]
        else:
            continue
        for file in files:
            for line in read_tail(file, 4096).splitlines():
                if line.startswith(b"oom_kill "):
                    return int(line.split()[1])
    return None


def was_out_of_memory(pid: int, kills_before: int | None) -> bool | None:
    """Whether the kernel killed `pid` for memory; None where there is no evidence either way.

    The kernel's log names the process; a cgroup only counts, so its count is believed second.
    """
    logged = _kernel_log()
    if b"Killed process %d " % pid in logged or b"Killed process %d(" % pid in logged:
        return True
    kills = oom_kills()
    if kills is not None and kills_before is not None:
        return kills > kills_before
    return False if logged else None


def _kernel_log() -> bytes:
    try:
        fd = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    records = []
    try:
        while True:
            try:
                records.append(os.read(fd, 8192))
            except BrokenPipeError:
                continue  # overwritten while we read: the next read goes on
    except OSError:
        return b"".join(records)
    finally:
        os.close(fd)
