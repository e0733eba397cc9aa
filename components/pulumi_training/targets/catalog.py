"""Which targets there are: ours by name, then those that installed packages bring (`packages`); imported when asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..spec.errors import Problem, SpecError
from .contract.descriptor import Feature, TargetDescriptor
from .contract.target import Target

if TYPE_CHECKING:
    from .contract.environment import EnvironmentMaker

_OURS = {
    "local": "pulumi_training.targets.local.descriptor:DESCRIPTOR",
    "docker": "pulumi_training.targets.docker.descriptor:DESCRIPTOR",
}
DEFAULT = next(iter(_OURS))
"""What is meant where no target is named."""


def names() -> tuple[str, ...]:
    """Our targets."""
    return tuple(_OURS)


def describe(name: str, package: str = "") -> TargetDescriptor:
    """What is known of the target of that name; `package` is the one that brought it when it was recorded.

    Raises:
        SpecError: there is none, or its package cannot be loaded.
    """
    if name in _OURS:
        ours: TargetDescriptor = part(_OURS[name])
        return ours
    from . import packages

    found = packages.find(name)
    if found is not None:
        return found
    if package:
        words = (
            f"target {name!r} comes with the package {package}, which is not installed here; install it, as by "
            f"`pip install {package}`"
        )
    else:
        here = ", ".join(map(repr, _OURS))
        words = f"target {name!r} is not in this version; write one of: {here}, or install the package that brings it"
    raise SpecError(Problem("compute.target", words))


def get(name: str, package: str = "") -> Target:
    """The target of that name.

    Raises:
        SpecError: as `describe`.
    """
    target: Target = part(describe(name, package).target)()
    return target


def package_of(name: str) -> str:
    """The distribution that brings a target, for the record of what runs there; empty for ours and for an unknown one."""
    if name in _OURS:
        return ""
    from . import packages

    return packages.package_of(name)


def known(tell: Callable[[str], None]) -> Iterator[TargetDescriptor]:
    """Every target that can be asked here; `tell` is told of packages whose target cannot be loaded."""
    from . import packages

    yield from (describe(name) for name in _OURS)
    for name in packages.names():
        if name in _OURS:
            continue
        try:
            yield describe(name)
        except SpecError as error:
            tell(error.message)


def environment_maker(target: TargetDescriptor) -> EnvironmentMaker:
    """What makes the software of an Environment resource.

    Raises:
        SpecError: the target makes none.
    """
    if target.environment is None:
        able = ", ".join(repr(name) for name in _OURS if describe(name).environment)
        words = f"target {target.name!r} makes no environments of its own; write one of: {able}"
        raise SpecError(Problem("target", words))
    maker: EnvironmentMaker = part(target.environment)()
    return maker


def supporting(feature: Feature) -> tuple[str, ...]:
    """Those of our targets that have a feature, for the words of a refusal."""
    return tuple(name for name in _OURS if feature in describe(name).features)


def having(capability: type) -> tuple[str, ...]:
    """The targets that have a capability (`contract.capabilities`), for the words of a refusal."""
    return tuple(name for name in _OURS if isinstance(get(name), capability))


def part(name: str) -> Any:
    """A part of a target by its name in the descriptor: `package.module:attribute`, or a module alone."""
    module, _, attribute = name.partition(":")
    found = import_module(module)
    return getattr(found, attribute) if attribute else found
