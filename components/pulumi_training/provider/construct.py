"""Construct, by which the engine asks for the components of programs in other languages than Python."""

from __future__ import annotations

import pulumi
from pulumi.provider.provider import ConstructResult, Provider

from ..version import __version__


class Components(Provider):
    """The components of the package, for the SDK's Construct machinery. They are imported at the first Construct."""

    def __init__(self) -> None:
        super().__init__(__version__)

    def construct(
        self,
        name: str,
        resource_type: str,
        inputs: object,
        options: pulumi.ResourceOptions | None = None,
    ) -> ConstructResult:
        """Declares one component on the event loop. Raises SpecError for a type that is none."""
        from . import components

        component = components.component_of(resource_type).from_construct(name, inputs, options)
        return ConstructResult(component.urn, component.construct_state())
