"""Which targets there are, each imported when it is asked for."""

from __future__ import annotations

from importlib import import_module

from ..spec.errors import Problem, SpecError
from .base import Target

_TARGETS = {
    "local": ("pulumi_training.targets.local.target", "LocalTarget"),
    "docker": ("pulumi_training.targets.docker.target", "DockerTarget"),
}


def names() -> tuple[str, ...]:
    """The targets that can run something here."""
    return tuple(_TARGETS)


def get(name: str) -> Target:
    """The target of that name.

    Raises:
        SpecError: there is none.
    """
    if name not in _TARGETS:
        known = ", ".join(_TARGETS)
        raise SpecError(
            Problem("compute.target", f"target {name!r} is not in this version; write one of: {known}")
        )
    module, kind = _TARGETS[name]
    target: Target = getattr(import_module(module), kind)()
    return target


def supporting(capability: type) -> tuple[str, ...]:
    """The targets that have a capability, for the words of an error."""
    return tuple(name for name in _TARGETS if isinstance(get(name), capability))
