"""Everything wrong with an environment's declaration, before anything is started."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..spec.errors import Problem
from . import conda_file, interpreters, requirements

if TYPE_CHECKING:
    from ..spec.environment import EnvironmentSpec


def problems(spec: EnvironmentSpec, source: Path) -> list[Problem]:
    """All problems of the Python version, the pip and the conda requirements; empty if it may be built."""
    if spec.user_managed:
        from . import user_managed

        return user_managed.problems(spec, source)
    of_conda = conda_file.problems(spec, source)
    conda = None if of_conda else conda_file.read(spec, source)
    return [
        *interpreters.problems(spec.python_version),
        *requirements.problems(spec, source, more=conda.pip if conda else ()),
        *of_conda,
    ]
