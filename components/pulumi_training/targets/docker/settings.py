"""The settings of a Docker daemon and of the containers that it runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any

from ...spec.errors import SpecError
from ...spec.settings import ContainerLimits, address, checked_text, read_settings, size_in_bytes

SHM_SIZE = "2g"
"""Azure ML's default; the engine's own 64 MiB starves data loaders and MPI's shared memory."""
_USER = re.compile(r"\d+(?::\d+)?")


def _user(text: str) -> None:
    if _USER.fullmatch(text.strip()) is None:
        raise ValueError("is not a user; write numbers, as 1000 or 1000:1000")


class DockerSettings(ContainerLimits):
    """The daemon, and what a container may use."""

    docker_host: str | None = address(
        description="The daemon, as `unix:///var/run/docker.sock`, `tcp://host:2376` or `ssh://user@host`; DOCKER_HOST or "
        "the current docker context by default.",
        example="tcp://gpu-box:2376",
    )
    tls: str | None = address(
        description="The folder that has ca.pem, cert.pem and key.pem for a daemon reached by TCP.",
        example="~/.docker/gpu-box",
    )
    user: Annotated[str, checked_text(_user)] | None = address(
        tunes=True,
        description="Who runs in a container, by number; the image's own user by default.",
        example="1000:1000",
    )


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


def container_settings(compute: Mapping[str, object], shm_size: str | None = None) -> ContainerSettings:
    """What the daemon is asked for; `shm_size` is the job's own, which wins.

    Raises:
        SpecError: with every setting that cannot be read.
    """
    settings, problems = read_settings(DockerSettings, compute, "docker")
    if problems:
        raise SpecError(problems)
    return ContainerSettings(
        size_in_bytes(shm_size or settings.shm_size or SHM_SIZE),
        size_in_bytes(settings.memory) if settings.memory else None,
        int(settings.cpus * 1e9) if settings.cpus else None,
        settings.user.strip() if settings.user else None,
        tuple(
            {"Name": limit.name, "Soft": limit.soft, "Hard": limit.soft if limit.hard is None else limit.hard}
            for limit in settings.ulimits or ()
        ),
    )
