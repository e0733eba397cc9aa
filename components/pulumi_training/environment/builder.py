"""Who builds an image: BuildKit where its command line is there, the daemon's classic builder elsewhere."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

from ..spec.errors import PermanentError, mask, shorten
from ..spec.outcome import Reason
from .builder_steps import BuildFailed

if TYPE_CHECKING:
    from docker import DockerClient

BUILDER_VARIABLE = "TRAINING_IMAGE_BUILDER"
"""`buildkit` or `classic`; chosen by what is there where it is not set."""
TAIL_LINES = 40
SHOWN_LINES = 12
"""Lines of the failing step that stand in the message itself."""


@dataclass(frozen=True)
class Build:
    """One image to be built.

    `folder` is the context, `dockerfile` a file inside or outside of it, `ignored` the lines of its ignore
    file. `secrets` are values by id, for BuildKit's secret mounts only.
    """

    folder: Path
    dockerfile: Path
    tag: str
    ignored: tuple[str, ...] = ()
    arguments: Mapping[str, str] = field(default_factory=dict)
    platform: str | None = None
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    is_fresh: bool = False


class Builder(Protocol):
    """What both builders do. `mounts` says whether `RUN --mount` works with it."""

    mounts: bool

    def run(self, build: Build, log: IO[str], progress: Callable[[str], None]) -> None:
        """Builds. Raises `BuildFailed`; an exception out of `progress` ends the build."""


def choose(client: DockerClient) -> Builder:
    """The builder to use with a daemon.

    Raises:
        PermanentError: `Reason.IMAGE_BUILD_FAILED` where TRAINING_IMAGE_BUILDER asks for one that is not there.
    """
    from .builder_buildkit import BuildKit
    from .builder_classic import Classic

    wanted = os.environ.get(BUILDER_VARIABLE, "").lower()
    version = buildx_version() if wanted != "classic" else None
    if version is not None:
        return BuildKit(client, version)
    if wanted == "buildkit":
        raise PermanentError(
            Reason.IMAGE_BUILD_FAILED,
            f"{BUILDER_VARIABLE} is buildkit, but `docker buildx version` does not answer. Install Docker's buildx "
            "plugin, or unset the variable.",
        )
    return Classic(client)


def buildx_version() -> tuple[int, ...] | None:
    """The version of the docker command line's buildx plugin; None without one, () where it tells no number."""
    program = shutil.which("docker")
    if program is None:
        return None
    try:
        answer = subprocess.run(
            [program, "buildx", "version"],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if answer.returncode != 0 or b"buildx" not in answer.stdout:
        return None
    number = re.search(rb"buildx v?(\d+)\.(\d+)", answer.stdout)
    return tuple(map(int, number.groups())) if number else ()


def run(
    builder: Builder,
    build: Build,
    log_path: Path,
    progress: Callable[[str], None],
    *,
    secrets: tuple[str, ...] = (),
) -> None:
    """Builds, the whole output into `log_path`; nothing of `secrets` is in it or in the error.

    A step that prints a secret of many lines prints it line by line, so each of them is masked too.

    Raises:
        PermanentError: `Reason.IMAGE_BUILD_FAILED` with the failing step and its last lines.
    """
    log_path.parent.mkdir(parents=True, exist_ok=True)
    with log_path.open("a", encoding="utf-8") as stream:
        try:
            builder.run(build, _Masked(stream, secrets), progress)  # type: ignore[arg-type]
        except BuildFailed as error:
            raise failed(error, log_path, secrets) from error


def failed(error: BuildFailed, log_path: Path, secrets: tuple[str, ...]) -> PermanentError:
    """The error of a build: the step, what it said last, and where all of it is."""
    said = [mask(line, secrets) for line in error.lines]
    step = mask(error.step, secrets)
    where = f" at step {shorten(step, 300)}" if step else ""
    shown = "\n".join(said[-SHOWN_LINES:])
    return PermanentError(
        Reason.IMAGE_BUILD_FAILED,
        f"The image could not be built; it failed{where}.\n{shown}\n{mask(str(error), secrets)}\n"
        f"The whole log: {log_path}",
        log_tail="\n".join(said[-TAIL_LINES:]),
    )


class _Masked:
    """A log that never sees a secret."""

    def __init__(self, stream: IO[str], secrets: tuple[str, ...]) -> None:
        self._stream = stream
        self._secrets = secrets

    def write(self, text: str) -> int:
        self._stream.write(mask(text, self._secrets))
        self._stream.flush()
        return len(text)

    def flush(self) -> None:
        self._stream.flush()
