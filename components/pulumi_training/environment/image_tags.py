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
_ARCHITECTURES = {"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64", "i386": "386"}
"""Names of architectures that Docker takes, and the ones that images have."""


def find(client: DockerClient, reference: str, *, platform: str | None = None) -> Any | None:
    """The image of a reference, if the daemon has it, and has it for the platform."""
    import docker.errors

    try:
        image = client.images.get(reference)
    except docker.errors.ImageNotFound:
        return None
    return image if is_for(image, platform) else None


def is_for(image: object, platform: str | None) -> bool:
    """Whether it is for a platform as Docker takes it (`linux/arm64/v8`, `arm64`); what is left out decides nothing."""
    wanted = (platform or "").lower().split("/")
    if len(wanted) == 1 and wanted[0] not in ("linux", "windows"):
        wanted = ["", *wanted]
    pairs = zip(_platform(image), wanted, strict=False)
    return all(not part or not asked or part == _ARCHITECTURES.get(asked, asked) for part, asked in pairs)


def platform_of(image: object) -> str:
    """The platform that an image is for, as Docker writes it."""
    return "/".join(filter(None, _platform(image)))


def _platform(image: Any) -> list[str]:
    return [str(image.attrs.get(name) or "") for name in ("Os", "Architecture", "Variant")]


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
