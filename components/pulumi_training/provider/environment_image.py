"""The Environment resource on targets that run containers: an image on a Docker daemon."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..environment import image, image_request
from ..spec.environment import EnvironmentSpec
from ..spec.errors import Problem

if TYPE_CHECKING:
    from docker import DockerClient

TARGET = "docker"


def problems(spec: EnvironmentSpec, source: Path) -> list[Problem]:
    """Everything wrong with the declaration, as far as it can be seen without a daemon."""
    return image_request.problems(spec, source)


def digest(spec: EnvironmentSpec, source: Path) -> str:
    """The digest of what is declared.

    Raises:
        SpecError: a file is missing.
    """
    mpi = _has_mpi(spec)
    return image_request.ImageRequest(spec, source, needs_mpi=mpi, needs_mpi4py=mpi).digest


def make(
    spec: EnvironmentSpec, source: Path, daemon: Mapping[str, str], progress: Callable[[str], None]
) -> image.ImageEnvironment:
    """Builds the image, or finds it.

    Raises:
        SpecError, PermanentError: as `image.ensure_image`.
        TransientError: the daemon does not answer.
    """
    mpi = _has_mpi(spec)
    with _client(daemon) as client:
        return image.ensure_image(
            spec, source=source, needs_mpi=mpi, needs_mpi4py=mpi, client=client, progress=progress
        )


def is_there(spec: EnvironmentSpec, source: Path, daemon: Mapping[str, str]) -> bool:
    """Whether the daemon has the image.

    Raises:
        TransientError: the daemon does not answer, which says nothing of the image.
    """
    mpi = _has_mpi(spec)
    with _client(daemon) as client:
        found = image.find_image(spec, source, needs_mpi=mpi, needs_mpi4py=mpi, client=client)
    return found is not None


def outputs(made: image.ImageEnvironment) -> dict[str, Any]:
    """The output properties that only images have."""
    return {"image": made.image, **({"buildLog": str(made.log)} if made.log else {})}


def registry_without_password(spec: EnvironmentSpec) -> dict[str, Any]:
    """What the `ref` output keeps of the registry: its address is part of an image's name."""
    if spec.image_registry is None:
        return {}
    kept = spec.image_registry.model_dump(mode="json", by_alias=True, exclude={"password"}, exclude_none=True)
    return {"imageRegistry": kept}


def _has_mpi(spec: EnvironmentSpec) -> bool:
    """An image that jobs share has an MPI, so that distributed ones among them find it there.

    A user managed one is checked by the job that needs more of it.
    """
    return not spec.user_managed


@contextmanager
def _client(daemon: Mapping[str, str]) -> Iterator[DockerClient]:
    from ..targets.docker.address import address_of
    from ..targets.docker.engine import asking, connect

    address = address_of(daemon)
    client = connect(address)
    try:
        with asking(address):
            yield client
    finally:
        client.close()
