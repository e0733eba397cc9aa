"""Components for programs in other languages than Python: the engine asks for them by Construct.

A class of `resources.components()` has `from_construct(name, inputs, options)`, which declares the component
and returns it; its `construct_state()` gives the outputs by their wire names.
"""

from __future__ import annotations

import difflib
import importlib
from typing import Any

import pulumi
from pulumi.provider.provider import ConstructResult, Provider

from ..spec.errors import Problem, SpecError
from ..version import __version__


class Components(Provider):
    """The components of the package, for the SDK's Construct machinery. Imported at the first Construct."""

    def __init__(self) -> None:
        super().__init__(__version__)

    def construct(
        self,
        name: str,
        resource_type: str,
        inputs: Any,
        options: pulumi.ResourceOptions | None = None,
    ) -> ConstructResult:
        """Declares one component on the event loop. Raises SpecError for a type that is none."""
        components = importlib.import_module("pulumi_training.resources").components()
        if resource_type not in components:
            near = difflib.get_close_matches(resource_type, components, 1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise SpecError(Problem("", f"{resource_type} is not a component of this package.{hint}"))
        component = components[resource_type].from_construct(name, inputs, options)
        return ConstructResult(component.urn, component.construct_state())
