"""The daemon's own builder, by the official SDK. It knows no mounts, so it takes no secrets."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import IO, TYPE_CHECKING

from ..spec.errors import Problem, SpecError
from .builder_steps import BuildFailed, ClassicSteps

if TYPE_CHECKING:
    from docker import DockerClient

    from .builder import Build

_DOCKERFILE = ".training.dockerfile"
"""The Dockerfile's name inside what is sent: it may lie outside of the context."""


class Classic:
    """See `builder.Builder`."""

    mounts = False

    def __init__(self, client: DockerClient) -> None:
        self._client = client

    def run(self, build: Build, log: IO[str], progress: Callable[[str], None]) -> None:
        """See `builder.Builder.run`.

        Raises:
            SpecError: the build needs a secret, which would stay in a layer for all to read.
        """
        refuse_secrets(tuple(build.secrets))
        import docker.errors
        import requests

        steps = ClassicSteps(progress)
        with tempfile.TemporaryFile() as archive:
            _pack(build, archive)
            try:
                for event in self._client.api.build(
                    fileobj=archive,
                    custom_context=True,
                    dockerfile=_DOCKERFILE,
                    tag=build.tag,
                    rm=True,
                    forcerm=True,
                    nocache=build.is_fresh,
                    buildargs=dict(build.arguments),
                    platform=build.platform,
                    decode=True,
                ):
                    if "error" in event or "errorDetail" in event:
                        message = str(event.get("error") or event["errorDetail"].get("message"))
                        log.write(message + "\n")
                        raise steps.failed(message)
                    status = event.get("status")  # of a pull, whose events are no lines yet
                    text = str(event.get("stream") or (f"{status}\n" if status else ""))
                    if text:
                        log.write(steps.take(text))
            except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
                words = str(getattr(error, "explanation", None) or error)
                log.write(words + "\n")
                raise BuildFailed(
                    f"the Docker daemon said: {words}", steps.step, tuple(steps.lines)
                ) from error


def refuse_secrets(names: tuple[str, ...]) -> None:
    """Raises SpecError where a build that has only the classic builder needs secrets."""
    if names:
        raise SpecError(
            Problem(
                "environment.buildSecrets",
                f"the build needs {', '.join(names)}, and only BuildKit can mount a secret: with the classic builder "
                "it would stay in the image. Install Docker's buildx plugin on this machine, or build the image "
                "elsewhere and name it as `image`",
            )
        )


def _pack(build: Build, archive: IO[bytes]) -> None:
    from docker.utils.build import create_archive, exclude_paths

    paths = exclude_paths(str(build.folder), list(build.ignored), dockerfile=_DOCKERFILE)
    text = build.dockerfile.read_text(encoding="utf-8-sig")
    create_archive(str(build.folder), files=sorted(paths), fileobj=archive, extra_files=[(_DOCKERFILE, text)])
    archive.seek(0)
