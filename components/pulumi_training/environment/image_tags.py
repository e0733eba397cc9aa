"""Images that were made here, on the daemon: found by their tag, described by their labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..version import __version__
from .image_probe import ImageFacts

if TYPE_CHECKING:
    from docker import DockerClient

DIGEST_LABEL = "pulumi-training.environment"
FACTS_LABEL = "pulumi-training.facts"
BASE_LABEL = "pulumi-training.base"
BASE_ID_LABEL = "pulumi-training.base-id"
VERSION_LABEL = "pulumi-training.version"


def find(client: DockerClient, reference: str) -> Any | None:
    """The image of a reference, if the daemon has it."""
    import docker.errors

    try:
        return client.images.get(reference)
    except docker.errors.ImageNotFound:
        return None


def facts_of(image: Any) -> ImageFacts | None:
    """What the labels of a finished image say; None where it is none of ours."""
    text = (image.labels or {}).get(FACTS_LABEL)
    return ImageFacts.from_json(text) if text else None


def finish(
    client: DockerClient,
    draft: str,
    tag: str,
    *,
    digest: str,
    facts: ImageFacts,
    base: str,
    base_id: str,
    is_draft: bool,
) -> Any:
    """Puts the labels on a built image and gives it its tag: from here on it is found.

    The labels hold what was found in the built image, so they cannot be part of the build. A container that is
    never started is committed: no layer and nothing else changes. A draft loses its own tag.
    """
    labels = {
        DIGEST_LABEL: digest,
        FACTS_LABEL: facts.to_json(),
        BASE_LABEL: base,
        BASE_ID_LABEL: base_id,
        VERSION_LABEL: __version__,
    }
    config = dict(client.images.get(draft).attrs.get("Config") or {})
    config["Labels"] = {**(config.get("Labels") or {}), **labels}
    container = client.api.create_container(draft, command=["true"])
    repository, _, name = tag.rpartition(":")
    try:
        client.api.commit(container["Id"], repository=repository, tag=name, conf=config)
    finally:
        client.api.remove_container(container["Id"], v=True, force=True)
    image = client.images.get(tag)
    if is_draft:
        client.api.remove_image(draft, noprune=True)
    return image
