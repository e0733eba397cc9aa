"""Which targets there are, each imported when it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ..spec.errors import Problem, SpecError
from .contract.descriptor import Feature, TargetDescriptor
from .contract.target import Target

_OURS = {
    "local": "pulumi_training.targets.local.descriptor:DESCRIPTOR",
    "docker": "pulumi_training.targets.docker.descriptor:DESCRIPTOR",
}
"""Name -> descriptor; the first is what is meant where none is named."""


def names() -> tuple[str, ...]:
    """The targets that can run something here."""
    return tuple(_OURS)


def describe(name: str) -> TargetDescriptor:
    """What is known of the target of that name.

    Raises:
        SpecError: there is none.
    """
    if name not in _OURS:
        known = ", ".join(_OURS)
        raise SpecError(
            Problem("compute.target", f"target {name!r} is not in this version; write one of: {known}")
        )
    descriptor: TargetDescriptor = part(_OURS[name])
    return descriptor


def get(name: str) -> Target:
    """The target of that name.

    Raises:
        SpecError: there is none.
    """
    target: Target = part(describe(name).target)()
    return target


def supporting(feature: Feature) -> tuple[str, ...]:
    """The targets that have a feature, for the words of a refusal."""
    return tuple(name for name in _OURS if feature in describe(name).features)


def part(name: str) -> Any:
    """A part of a target by its name in the descriptor: `package.module:attribute`, or a module alone."""
    module, _, attribute = name.partition(":")
    found = import_module(module)
    return getattr(found, attribute) if attribute else found
