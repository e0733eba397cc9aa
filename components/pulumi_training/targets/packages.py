"""Targets of other packages: an entry point of the group `pulumi_training.targets` names a descriptor.

Reading entry points looks through every installed distribution, so that is done only for a target that is not ours, and
where all targets are asked for: the schema, `doctor`, and what is left over at backends.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from ..spec.errors import Problem, SpecError
from .contract.descriptor import TargetDescriptor

GROUP = "pulumi_training.targets"
_NAME = re.compile(r"[a-z][a-z0-9]*")


def names() -> tuple[str, ...]:
    """The names of the targets that installed packages bring, sorted."""
    return tuple(sorted({point.name for point in _points()}))


@cache
def find(name: str) -> TargetDescriptor | None:
    """The descriptor of a target by its name, None where no package brings it.

    Raises:
        SpecError: two packages bring it, or what one brings cannot be loaded; names them.
    """
    points = _of(name)
    if not points:
        return None
    if len(points) > 1:
        packages = " and ".join(sorted(map(_package, points)))
        raise _refused(name, f"comes with {packages}; uninstall all but one of them")
    (point,) = points
    try:
        found = point.load()
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        raise _refused(name, f"comes with {_package(point)}, which cannot be loaded: {what}") from error
    if not isinstance(found, TargetDescriptor) or found.name != name or not _NAME.fullmatch(name):
        raise _refused(
            name,
            f"comes with {_package(point)}, and {point.value} is no descriptor of a target of that name; names are "
            "small letters and digits",
        )
    return found


def package_of(name: str) -> str:
    """The distribution that brings a target; empty where none does."""
    points = _of(name)
    return _package(points[0]) if points else ""


def _of(name: str) -> list[EntryPoint]:
    return [point for point in _points() if point.name == name]


@cache
def _points() -> tuple[EntryPoint, ...]:
    """The entry points, each distribution once: one that is on the path twice is not two."""
    found = {(point.name, _package(point)): point for point in reversed(tuple(entry_points(group=GROUP)))}
    return tuple(found.values())


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.value.partition(":")[0]


def _refused(name: str, words: str) -> SpecError:
    return SpecError(Problem("compute.target", f"target {name!r} {words}"))
