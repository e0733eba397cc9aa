"""The Environment resource on this machine: a virtual environment in the cache, or an interpreter as it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from ...environment import cache, checks, local
from ...environment.digest import Request
from ...spec.environment import EnvironmentSpec
from ...spec.errors import Problem
from ..contract import environment as contract


class EnvironmentMaker(contract.EnvironmentMaker):
    """See `contract.environment.EnvironmentMaker`."""

    def problems(self, spec: EnvironmentSpec, source: Path) -> list[Problem]:
        """See the contract."""
        return checks.problems(spec, source)

    def digest(self, spec: EnvironmentSpec, source: Path) -> str:
        """See the contract."""
        return Request(spec, source, needs_mpi=False, needs_mpi4py=False).digest

    def make(
        self, spec: EnvironmentSpec, source: Path, settings: Mapping[str, str], tell: Callable[[str], None]
    ) -> contract.Made:
        """See the contract."""
        made = local.ensure(spec, source=source, needs_mpi=False, needs_mpi4py=False, progress=tell)
        return contract.Made(str(made.prefix), made.packages, tuple(made.warnings))

    def is_there(self, spec: EnvironmentSpec, source: Path, settings: Mapping[str, str], digest: str) -> bool:
        """What the cache has; one that was pruned is made again."""
        return cache.read(cache.prefix_of(digest)) is not None
