"""What a run on this machine is given to run in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class LocalEnvironment:
    """An environment ready to run in. Paths are absolute; `mpi` is one of openmpi5, openmpi4, mpich, intel.

    `packages` are the resolved versions as `name==version`, or as pip freezes what came from a URL.
    """

    prefix: Path
    python: Path
    mpirun: Path | None
    mpi: str | None
    digest: str
    packages: tuple[str, ...]
    warnings: tuple[str, ...]
    was_cached: bool
