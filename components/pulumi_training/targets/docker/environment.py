"""The Environment resource on a Docker daemon: an image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ...environment import image, image_request
from ...spec.environment import EnvironmentSpec
from ...spec.errors import Problem
from ..contract.environment import EnvironmentMaker, Made
from .address import address_of
from .engine import talking

if TYPE_CHECKING:
    pass


class ImageMaker(EnvironmentMaker):
    """See `EnvironmentMaker`. The settings are those of a cluster that name its daemon."""

    not_before_made = ("image",)

    def problems(self, spec: EnvironmentSpec, source: Path) -> list[Problem]:
        """See `EnvironmentMaker.problems`; no daemon is asked."""
        return image_request.problems(spec, source)

    def digest(self, spec: EnvironmentSpec, source: Path) -> str:
        """See `EnvironmentMaker.digest`."""
        mpi = _has_mpi(spec)
        return image_request.ImageRequest(spec, source, needs_mpi=mpi, needs_mpi4py=mpi).digest

    def make(
        self, spec: EnvironmentSpec, source: Path, settings: Mapping[str, str], tell: Callable[[str], None]
    ) -> Made:
        """Builds the image, or finds it."""
        mpi = _has_mpi(spec)
        with talking(address_of(settings)) as client:
            made = image.ensure_image(
                spec, source=source, needs_mpi=mpi, needs_mpi4py=mpi, client=client, progress=tell
            )
        outputs = {"image": made.image, **({"buildLog": str(made.log)} if made.log else {})}
        return Made(made.image, made.packages, tuple(made.warnings), outputs)

    def is_there(self, spec: EnvironmentSpec, source: Path, settings: Mapping[str, str], digest: str) -> bool:
        """Whether the daemon has the image."""
        mpi = _has_mpi(spec)
        with talking(address_of(settings)) as client:
            found = image.find_image(spec, source, needs_mpi=mpi, needs_mpi4py=mpi, client=client)
        return found is not None


def _has_mpi(spec: EnvironmentSpec) -> bool:
    """An image that jobs share has an MPI, so that distributed ones among them find it there.

    A user managed one is checked by the job that needs more of it.
    """
    return not spec.user_managed
