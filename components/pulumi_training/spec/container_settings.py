"""The cluster's own settings for its containers, as text in `compute.settings`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from .errors import Problem, SpecError

SHM_SIZE = "2g"
"""Azure ML's default; the engine's own 64 MiB starves data loaders and MPI's shared memory."""
_KNOWN = ("dockerHost", "tls", "memory", "cpus", "shmSize", "ulimits", "user")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)([bkmg]?)b?", re.IGNORECASE)
_UNITS = {"": 1, "b": 1, "k": 2**10, "m": 2**20, "g": 2**30}
_USER = re.compile(r"\d+(?::\d+)?")
_ULIMIT = re.compile(r"([a-z]+)=(-?\d+)(?::(-?\d+))?")


@dataclass(frozen=True)
class ContainerSettings:
    """Limits of one node's container; bytes and billionths of a core, None where there is no limit.

    There is no limit of cores unless it is asked for: throttling stops one rank while all others wait for it.
    """

    shm_bytes: int
    memory_bytes: int | None = None
    nano_cpus: int | None = None
    user: str | None = None
    ulimits: tuple[dict[str, Any], ...] = field(default_factory=tuple)

    def to_json(self) -> dict[str, Any]:
        """A JSON object; `ContainerSettings(**document)` reads it back."""
        return {**asdict(self), "ulimits": list(self.ulimits)}


def container_settings(settings: Mapping[str, str], shm_size: str | None = None) -> ContainerSettings:
    """Reads the settings; `shm_size` is the job's own, which wins.

    Raises:
        SpecError: with every setting that cannot be read.
    """
    problems = [
        Problem(f"compute.settings.{name}", f"there is no such setting; there are {', '.join(_KNOWN)}")
        for name in settings
        if name not in _KNOWN
    ]
    memory = _read(_bytes, "memory", settings.get("memory"), problems)
    cpus = _read(_nano_cpus, "cpus", settings.get("cpus"), problems)
    shm = _read(_bytes, "shmSize", shm_size or settings.get("shmSize") or SHM_SIZE, problems)
    ulimits = _read(_ulimits, "ulimits", settings.get("ulimits"), problems) or ()
    user = _read(_user, "user", settings.get("user"), problems)
    if problems:
        raise SpecError(problems)
    assert shm is not None
    return ContainerSettings(shm, memory, cpus, user, ulimits)


def _read(reader: Any, name: str, text: str | None, problems: list[Problem]) -> Any:
    if not text:
        return None
    try:
        return reader(text)
    except ValueError as error:
        problems.append(Problem(f"compute.settings.{name}", f"{text!r} {error}"))
        return None


def _bytes(text: str) -> int:
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ValueError("is not a size; write one, as 16g or 512m")
    return int(float(found[1]) * _UNITS[found[2].lower()])


def _nano_cpus(text: str) -> int:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not number > 0:
        raise ValueError("is not a number of cores; write one, as 4 or 1.5")
    return int(number * 1e9)


def _user(text: str) -> str:
    if _USER.fullmatch(text.strip()) is None:
        raise ValueError("is not a user; write numbers, as 1000 or 1000:1000")
    return text.strip()


def _ulimits(text: str) -> tuple[dict[str, Any], ...]:
    limits = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        found = _ULIMIT.fullmatch(part)
        if found is None:
            raise ValueError("is not a list of limits; write them as memlock=-1,nofile=1024:65536")
        soft = int(found[2])
        limits.append({"Name": found[1], "Soft": soft, "Hard": int(found[3]) if found[3] else soft})
    return tuple(limits)
