"""Images brought to the daemon: for the platform of a declaration, with the login of their registry."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from . import image_tags, registry

if TYPE_CHECKING:
    from docker import DockerClient

    from ..spec.environment import EnvironmentSpec


def pull_image(
    client: DockerClient, name: str, spec: EnvironmentSpec, progress: Callable[[str], None]
) -> None:
    """Pulls an image, whatever the daemon has of that name.

    Raises:
        NoSuchImageError, PermanentError: as `registry.pull`; where the daemon has one for another platform, it is told.
    """
    try:
        registry.pull(
            client,
            name,
            credentials=registry.credentials_for(name, spec.image_registry),
            platform=spec.platform,
            progress=progress,
        )
    except registry.NoSuchImageError as error:
        there = image_tags.find(client, name)
        if there is None or image_tags.is_for(there, spec.platform):
            raise
        raise registry.NoSuchImageError(
            error.reason,
            f"The Docker daemon has {name} for {image_tags.platform_of(there)}, and it is asked for as "
            f"{spec.platform}. {error.message}",
        ) from error
